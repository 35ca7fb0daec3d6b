//! The statements that any such queue must make, by plain sqlx, on the same pool: one insert, one claim that counts the
//! attempt and raises a fence, one acknowledgement that matches it.

use events_std::Store;
use sea_orm::sqlx::{Executor, PgPool, Row, SqlitePool};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::Error;
use crate::base::Base;

const PAYLOAD: &str = r#"{"number":123456,"text":"some ninety bytes of payload, as in the study of the engines...."}"#;

const COLUMNS: &str = "queue, event, version, listener, payload, run_at";

/// The bare queue.
pub struct Bare(Store);

enum Pool<'p> {
    Sqlite(&'p SqlitePool),
    Postgres(&'p PgPool),
}

impl Bare {
    /// Makes its table.
    pub async fn new(base: &Base) -> Result<Self, Error> {
        let store = base.store.clone();
        let id = if store.backend() == DbBackend::Postgres {
            "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
        } else {
            "INTEGER PRIMARY KEY"
        };
        for statement in [
            format!(
                "CREATE TABLE bare_jobs (id {id}, queue TEXT NOT NULL, event TEXT NOT NULL, version INTEGER NOT NULL, \
                 listener TEXT NOT NULL, payload TEXT NOT NULL, state SMALLINT NOT NULL DEFAULT 0, run_at BIGINT NOT \
                 NULL, attempts INTEGER NOT NULL DEFAULT 0, fence BIGINT NOT NULL DEFAULT 0, worker BIGINT)"
            ),
            "CREATE INDEX bare_ready ON bare_jobs (queue, run_at, id) WHERE state = 0".to_owned(),
            "CREATE INDEX bare_running ON bare_jobs (id) WHERE state = 1".to_owned(),
        ] {
            store.writer().execute_unprepared(&statement).await?;
        }
        Ok(Self(store))
    }

    fn pool(&self) -> Pool<'_> {
        if self.0.backend() == DbBackend::Postgres {
            Pool::Postgres(self.0.writer().get_postgres_connection_pool())
        } else {
            Pool::Sqlite(self.0.writer().get_sqlite_connection_pool())
        }
    }

    /// Forgets all jobs.
    pub async fn clear(&self) -> Result<(), Error> {
        self.0
            .writer()
            .execute_unprepared("DELETE FROM bare_jobs")
            .await?;
        Ok(())
    }

    /// One job a transaction. On Postgres with its wake-up.
    pub async fn push_singles(&self, jobs: u32) -> Result<(), Error> {
        let insert = format!("INSERT INTO bare_jobs ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)");
        for number in 0..jobs {
            match self.pool() {
                Pool::Sqlite(pool) => {
                    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                    let query = sea_orm::sqlx::query(sea_orm::sqlx::AssertSqlSafe(insert.clone()));
                    query
                        .bind("bench")
                        .bind("bench.event")
                        .bind(1)
                        .bind("bench::listener")
                        .bind(PAYLOAD)
                        .bind(i64::from(number))
                        .execute(&mut *tx)
                        .await?;
                    tx.commit().await?;
                }
                Pool::Postgres(pool) => {
                    let mut tx = pool.begin().await?;
                    let query = sea_orm::sqlx::query(sea_orm::sqlx::AssertSqlSafe(insert.clone()));
                    query
                        .bind("bench")
                        .bind("bench.event")
                        .bind(1)
                        .bind("bench::listener")
                        .bind(PAYLOAD)
                        .bind(i64::from(number))
                        .execute(&mut *tx)
                        .await?;
                    (&mut *tx).execute("NOTIFY bare_jobs").await?;
                    tx.commit().await?;
                }
            }
        }
        Ok(())
    }

    /// A batch a transaction, by one statement for many rows.
    pub async fn push_batches(&self, jobs: u32, batch: u32) -> Result<(), Error> {
        for _ in 0..jobs / batch {
            match self.pool() {
                Pool::Sqlite(pool) => {
                    let rows: Vec<_> = (0..batch).map(|_| PAYLOAD).collect();
                    let rows = serde_json::to_string(&rows)?;
                    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                    sea_orm::sqlx::query(
                        "INSERT INTO bare_jobs (queue, event, version, listener, payload, run_at) \
                         SELECT 'bench', 'bench.event', 1, 'bench::listener', value, 0 FROM json_each($1)",
                    )
                    .bind(rows)
                    .execute(&mut *tx)
                    .await?;
                    tx.commit().await?;
                }
                Pool::Postgres(pool) => {
                    let rows: Vec<String> = (0..batch).map(|_| PAYLOAD.to_owned()).collect();
                    let mut tx = pool.begin().await?;
                    sea_orm::sqlx::query(
                        "INSERT INTO bare_jobs (queue, event, version, listener, payload, run_at) \
                         SELECT 'bench', 'bench.event', 1, 'bench::listener', p, 0 FROM unnest($1::text[]) AS p",
                    )
                    .bind(rows)
                    .execute(&mut *tx)
                    .await?;
                    (&mut *tx).execute("NOTIFY bare_jobs").await?;
                    tx.commit().await?;
                }
            }
        }
        Ok(())
    }

    /// Claims and acknowledges in batches until nothing is left, each in a transaction of its own.
    pub async fn process(&self, batch: u32) -> Result<(), Error> {
        loop {
            let claimed = match self.pool() {
                Pool::Sqlite(pool) => {
                    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                    let rows = sea_orm::sqlx::query(
                        "UPDATE bare_jobs SET state = 1, fence = fence + 1, attempts = attempts + 1, worker = 1 \
                         WHERE id IN (SELECT id FROM bare_jobs WHERE state = 0 AND queue = 'bench' AND run_at <= $1 \
                         ORDER BY run_at, id LIMIT $2) RETURNING id, fence, event, version, listener, payload",
                    )
                    .bind(i64::MAX)
                    .bind(i64::from(batch))
                    .fetch_all(&mut *tx)
                    .await?;
                    tx.commit().await?;
                    let held: Vec<(i64, i64)> =
                        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
                    let payloads = rows
                        .iter()
                        .map(|row| row.get::<String, _>(5).len())
                        .sum::<usize>();
                    std::hint::black_box(payloads);
                    let list = serde_json::to_string(&held)?;
                    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                    sea_orm::sqlx::query(
                        "UPDATE bare_jobs SET state = 2, worker = NULL FROM (SELECT value ->> 0 AS i, value ->> 1 AS f \
                         FROM json_each($1)) AS held WHERE id = held.i AND fence = held.f AND state = 1",
                    )
                    .bind(list)
                    .execute(&mut *tx)
                    .await?;
                    tx.commit().await?;
                    held.len()
                }
                Pool::Postgres(pool) => {
                    let rows = sea_orm::sqlx::query(
                        "UPDATE bare_jobs SET state = 1, fence = fence + 1, attempts = attempts + 1, worker = 1 \
                         WHERE id = ANY(ARRAY(SELECT id FROM bare_jobs WHERE state = 0 AND queue = 'bench' AND \
                         run_at <= $1 ORDER BY run_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)) \
                         RETURNING id, fence, event, version, listener, payload",
                    )
                    .bind(i64::MAX)
                    .bind(i64::from(batch))
                    .fetch_all(pool)
                    .await?;
                    let (ids, fences): (Vec<i64>, Vec<i64>) = rows
                        .iter()
                        .map(|row| (row.get::<i64, _>(0), row.get::<i64, _>(1)))
                        .unzip();
                    let payloads = rows
                        .iter()
                        .map(|row| row.get::<String, _>(5).len())
                        .sum::<usize>();
                    std::hint::black_box(payloads);
                    let count = ids.len();
                    sea_orm::sqlx::query(
                        "UPDATE bare_jobs SET state = 2, worker = NULL FROM unnest($1::bigint[], $2::bigint[]) \
                         AS held (i, f) WHERE id = held.i AND fence = held.f AND state = 1",
                    )
                    .bind(ids)
                    .bind(fences)
                    .execute(pool)
                    .await?;
                    count
                }
            };
            if claimed == 0 {
                return Ok(());
            }
        }
    }
}
