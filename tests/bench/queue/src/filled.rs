//! Tables that are full: rows that the product itself wrote, many times over by set-based statements.

use events_core::{Event, Events};
use events_std::{Store, Worker};
use sea_orm::sqlx::{Postgres, Transaction};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::Error;

/// Adds so many jobs that are due, in the order of their ids, from one that `event` makes.
pub async fn add_pending(
    store: &Store,
    events: &Events,
    event: &impl Event<Response = ()>,
    jobs: u32,
) -> Result<(), Error> {
    events.dispatch(event).await?;
    repeat(store, "state = 0", jobs - 1).await
}

/// Adds so many jobs that are done, from one that a worker did. Only while no other is pending.
pub async fn add_done(
    store: &Store,
    events: &Events,
    event: &impl Event<Response = ()>,
    jobs: u32,
) -> Result<(), Error> {
    events.dispatch(event).await?;
    Worker::new(events, store).concurrency(1).drain().await?;
    repeat(store, "state = 2", jobs - 1).await
}

/// Adds rows like the last one of those. Their times of falling due end where that one's is.
async fn repeat(store: &Store, those: &str, rows: u32) -> Result<(), Error> {
    let postgres = store.backend() == DbBackend::Postgres;
    let names = if postgres {
        "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'events_jobs'"
    } else {
        "SELECT name FROM pragma_table_info('events_jobs')"
    };
    let names = store
        .writer()
        .query_all_raw(Statement::from_string(store.backend(), names))
        .await?;
    let mut columns = Vec::new();
    for name in names {
        let name: String = name.try_get_by_index(0)?;
        if name != "id" {
            columns.push(name);
        }
    }
    let values: Vec<String> = columns
        .iter()
        .map(|name| match name.as_str() {
            "uid" if postgres => "gen_random_uuid()".to_owned(),
            "uid" => "randomblob(16)".to_owned(),
            "run_at" => format!("t.run_at - {rows} + n.i"),
            name => format!("t.{name}"),
        })
        .collect();
    let (numbers, of) = if postgres {
        (
            String::new(),
            format!("generate_series(1, {rows}) AS n (i)"),
        )
    } else {
        let numbers = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
        );
        (numbers, "n".to_owned())
    };
    let statement = format!(
        "{numbers}INSERT INTO events_jobs ({}) SELECT {} FROM (SELECT * FROM events_jobs WHERE {those} \
         ORDER BY id DESC LIMIT 1) AS t, {of}",
        columns.join(", "),
        values.join(", ")
    );
    let added = store
        .writer()
        .execute_raw(Statement::from_string(store.backend(), statement))
        .await?;
    if added.rows_affected() == u64::from(rows) {
        Ok(())
    } else {
        Err(format!(
            "{} rows instead of {rows}: is there one with {those}?",
            added.rows_affected()
        )
        .into())
    }
}

/// Finishes all pending jobs as a worker does, by a claim and an acknowledgement, so that Postgres keeps two old
/// versions of each row.
pub async fn finish_pending(store: &Store) -> Result<(), Error> {
    for statement in [
        "UPDATE events_jobs SET state = 1, fence = fence + 1, attempts = attempts + 1, worker = 0 WHERE state = 0",
        "UPDATE events_jobs SET state = 2, worker = NULL WHERE state = 1",
    ] {
        store.writer().execute_unprepared(statement).await?;
    }
    Ok(())
}

/// What the database does in time by itself after so many writes.
pub async fn settle(store: &Store) -> Result<(), Error> {
    let statements = if store.backend() == DbBackend::Postgres {
        ["VACUUM (ANALYZE) events_jobs", "CHECKPOINT"]
    } else {
        ["PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA optimize"]
    };
    for statement in statements {
        store.writer().execute_unprepared(statement).await?;
    }
    Ok(())
}

/// A transaction that has read and stays open, so that Postgres keeps all old versions of rows.
pub async fn old_snapshot(store: &Store) -> Result<Transaction<'static, Postgres>, Error> {
    let pool = store.writer().get_postgres_connection_pool();
    let mut snapshot = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ")
        .await?;
    sea_orm::sqlx::query("SELECT 1 FROM events_jobs LIMIT 1")
        .fetch_optional(&mut *snapshot)
        .await?;
    Ok(snapshot)
}
