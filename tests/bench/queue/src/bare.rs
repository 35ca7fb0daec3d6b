//! The statements that any such queue must make, by plain sqlx, on the same pool: one insert, one claim that counts the
//! attempt and raises a fence, one acknowledgement that matches it.

use std::time::{Duration, Instant};

use events_std::Store;
use sea_orm::sqlx::{Executor, PgPool, Row, SqlitePool};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::Error;
use crate::base::Base;

const PAYLOAD: &str = r#"{"number":123456,"text":"some ninety bytes of payload, as in the study of the engines...."}"#;

const COLUMNS: &str = "queue, event, version, listener, payload, run_at";

/// The bare queue.
pub struct Bare {
    store: Store,
    /// The table that is processed, which rows of it, and what is read of them.
    table: &'static str,
    of: &'static str,
    read: &'static str,
}

enum Pool<'p> {
    Sqlite(&'p SqlitePool),
    Postgres(&'p PgPool),
}

impl Bare {
    /// A queue of jobs, with its table.
    pub async fn new(base: &Base) -> Result<Self, Error> {
        let queue = Self {
            store: base.store.clone(),
            table: "bare_jobs",
            of: "queue = 'bench'",
            read: "event, version, listener, payload",
        };
        let own = "queue TEXT NOT NULL, event TEXT NOT NULL, version INTEGER NOT NULL, listener TEXT NOT NULL";
        let ready = "CREATE INDEX bare_ready ON bare_jobs (queue, run_at, id) WHERE state = 0";
        queue.make(own, &[ready]).await?;
        Ok(queue)
    }

    /// The items of a sync run, with their table. The unique index is what tells that a run has an item already.
    pub async fn of_items(base: &Base) -> Result<Self, Error> {
        let queue = Self {
            store: base.store.clone(),
            table: "bare_items",
            of: "run_id = 1",
            read: "event, version, external_id, payload",
        };
        let own = "run_id BIGINT NOT NULL, event TEXT NOT NULL, version INTEGER NOT NULL, external_id TEXT, checkpoint TEXT";
        let once = "CREATE UNIQUE INDEX bare_items_once ON bare_items (run_id, event, external_id)";
        let ready =
            "CREATE INDEX bare_items_ready ON bare_items (run_id, run_at, id) WHERE state = 0";
        queue.make(own, &[once, ready]).await?;
        Ok(queue)
    }

    async fn make(&self, own: &str, indexes: &[&str]) -> Result<(), Error> {
        let (writer, table) = (self.store.writer(), self.table);
        let id = if self.store.backend() == DbBackend::Postgres {
            "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
        } else {
            "INTEGER PRIMARY KEY"
        };
        let make = format!(
            "CREATE TABLE {table} (id {id}, {own}, payload TEXT NOT NULL, state SMALLINT NOT NULL DEFAULT 0, run_at \
             BIGINT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, fence BIGINT NOT NULL DEFAULT 0, worker BIGINT)"
        );
        let running = format!("CREATE INDEX {table}_running ON {table} (id) WHERE state = 1");
        writer.execute_unprepared(&make).await?;
        writer.execute_unprepared(&running).await?;
        for index in indexes {
            writer.execute_unprepared(index).await?;
        }
        Ok(())
    }

    fn pool(&self) -> Pool<'_> {
        if self.store.backend() == DbBackend::Postgres {
            Pool::Postgres(self.store.writer().get_postgres_connection_pool())
        } else {
            Pool::Sqlite(self.store.writer().get_sqlite_connection_pool())
        }
    }

    /// Forgets all jobs.
    pub async fn clear(&self) -> Result<(), Error> {
        self.store
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

    /// Chunks of items, each a transaction with one statement for many rows, which leaves out what the run has already.
    pub async fn push_items(&self, items: u32, chunk: u32) -> Result<(), Error> {
        for start in (0..items).step_by(chunk as usize) {
            match self.pool() {
                Pool::Sqlite(pool) => {
                    let rows: Vec<_> = (0..chunk).map(|_| PAYLOAD).collect();
                    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                    sea_orm::sqlx::query(
                        "INSERT INTO bare_items (run_id, event, version, payload, external_id, checkpoint, run_at) \
                         SELECT 1, 'bench.item', 1, value, CAST($2 + key AS TEXT), CAST($2 + key AS TEXT), 0 \
                         FROM json_each($1) WHERE TRUE ON CONFLICT (run_id, event, external_id) DO NOTHING",
                    )
                    .bind(serde_json::to_string(&rows)?)
                    .bind(start)
                    .execute(&mut *tx)
                    .await?;
                    tx.commit().await?;
                }
                Pool::Postgres(pool) => {
                    let rows: Vec<String> = (0..chunk).map(|_| PAYLOAD.to_owned()).collect();
                    let ids: Vec<String> =
                        (start..start + chunk).map(|id| id.to_string()).collect();
                    sea_orm::sqlx::query(
                        "INSERT INTO bare_items (run_id, event, version, payload, external_id, checkpoint, run_at) \
                         SELECT 1, 'bench.item', 1, p, i, i, 0 FROM unnest($1::text[], $2::text[]) AS item (p, i) \
                         ON CONFLICT (run_id, event, external_id) DO NOTHING",
                    )
                    .bind(rows)
                    .bind(ids)
                    .execute(pool)
                    .await?;
                }
            }
        }
        Ok(())
    }

    /// Claims and acknowledges in batches until nothing is left, each in a transaction of its own.
    pub async fn process(&self, batch: u32) -> Result<(), Error> {
        let texts = Texts::of(self);
        loop {
            let held = self.claim(&texts, batch).await?;
            if held.is_empty() {
                return Ok(());
            }
            self.end(&texts, held).await?;
        }
    }

    /// Pushes one job and claims it; how long that took.
    pub async fn push_and_claim(&self) -> Result<Duration, Error> {
        let texts = Texts::of(self);
        let before = Instant::now();
        self.push_singles(1).await?;
        let held = self.claim(&texts, 1).await?;
        let took = before.elapsed();
        self.end(&texts, held).await?;
        Ok(took)
    }

    async fn claim(&self, texts: &Texts, batch: u32) -> Result<Vec<(i64, i64)>, Error> {
        let payloads = |lengths: usize| {
            std::hint::black_box(lengths);
        };
        let held = match self.pool() {
            Pool::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                let rows = sea_orm::sqlx::query(text(&texts.claim))
                    .bind(i64::MAX)
                    .bind(i64::from(batch))
                    .fetch_all(&mut *tx)
                    .await?;
                tx.commit().await?;
                payloads(rows.iter().map(|row| row.get::<String, _>(5).len()).sum());
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
            Pool::Postgres(pool) => {
                let rows = sea_orm::sqlx::query(text(&texts.claim))
                    .bind(i64::MAX)
                    .bind(i64::from(batch))
                    .fetch_all(pool)
                    .await?;
                payloads(rows.iter().map(|row| row.get::<String, _>(5).len()).sum());
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
        };
        Ok(held)
    }

    async fn end(&self, texts: &Texts, held: Vec<(i64, i64)>) -> Result<(), Error> {
        match self.pool() {
            Pool::Sqlite(pool) => {
                let list = serde_json::to_string(&held)?;
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                sea_orm::sqlx::query(text(&texts.end))
                    .bind(list)
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
            }
            Pool::Postgres(pool) => {
                let (ids, fences): (Vec<i64>, Vec<i64>) = held.into_iter().unzip();
                sea_orm::sqlx::query(text(&texts.end))
                    .bind(ids)
                    .bind(fences)
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }
}

/// The statements that process.
struct Texts {
    claim: String,
    end: String,
}

impl Texts {
    fn of(queue: &Bare) -> Self {
        let (table, of, read) = (queue.table, queue.of, queue.read);
        let take = format!(
            "UPDATE {table} SET state = 1, fence = fence + 1, attempts = attempts + 1, worker = 1"
        );
        let choose = format!(
            "SELECT id FROM {table} WHERE state = 0 AND {of} AND run_at <= $1 ORDER BY run_at, id LIMIT $2"
        );
        let (claim, held) = match queue.pool() {
            Pool::Sqlite(_) => (
                format!("{take} WHERE id IN ({choose}) RETURNING id, fence, {read}"),
                "(SELECT value ->> 0 AS i, value ->> 1 AS f FROM json_each($1)) AS held",
            ),
            Pool::Postgres(_) => (
                format!(
                    "{take} WHERE id = ANY(ARRAY({choose} FOR UPDATE SKIP LOCKED)) RETURNING id, fence, {read}"
                ),
                "unnest($1::bigint[], $2::bigint[]) AS held (i, f)",
            ),
        };
        let end = format!(
            "UPDATE {table} SET state = 2, worker = NULL FROM {held} WHERE id = held.i AND fence = held.f AND state = 1"
        );
        Self { claim, end }
    }
}

fn text(text: &str) -> sea_orm::sqlx::AssertSqlSafe<String> {
    sea_orm::sqlx::AssertSqlSafe(text.to_owned())
}
