//! Migrations: one set of definitions for both databases.

use chrono::Utc;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};

use super::{Store, StoreError};

/// The steps from an empty database to today's tables, each a list of statements. Steps are only ever added.
/// `{id}`, `{uuid}` and `{bool}` stand for what the databases call differently.
const STEPS: &[&[&str]] = &[&[
    "CREATE TABLE events_jobs (
        id {id},
        uid {uuid} NOT NULL,
        queue TEXT NOT NULL,
        event TEXT NOT NULL,
        version INTEGER NOT NULL,
        listener TEXT NOT NULL,
        payload TEXT NOT NULL,
        state SMALLINT NOT NULL DEFAULT 0,
        run_at BIGINT NOT NULL,
        expires_at BIGINT,
        attempts INTEGER NOT NULL DEFAULT 0,
        fence BIGINT NOT NULL DEFAULT 0,
        worker BIGINT,
        alone {bool} NOT NULL DEFAULT {false},
        delivery_id {uuid} NOT NULL,
        dispatched_at BIGINT NOT NULL,
        correlation_id {uuid} NOT NULL,
        causation_id {uuid},
        unique_key TEXT,
        unique_until BIGINT,
        order_key TEXT,
        trace TEXT,
        reason TEXT,
        error TEXT,
        changed_at BIGINT NOT NULL
    )",
    "CREATE INDEX events_jobs_ready ON events_jobs (queue, run_at, id) WHERE state = 0",
    "CREATE INDEX events_jobs_alone ON events_jobs (run_at) WHERE state = 0 AND alone",
    "CREATE INDEX events_jobs_running ON events_jobs (id) WHERE state = 1",
    "CREATE INDEX events_jobs_parked ON events_jobs (id) WHERE state = 3",
    "CREATE INDEX events_jobs_done ON events_jobs (changed_at) WHERE state = 2",
    "CREATE UNIQUE INDEX events_jobs_unique ON events_jobs (listener, unique_key)
        WHERE unique_key IS NOT NULL AND state IN (0, 1)",
    "CREATE INDEX events_jobs_order ON events_jobs (listener, order_key, id)
        WHERE order_key IS NOT NULL AND state IN (0, 1)",
    // Also where a claim cannot see another that is not committed: one of the two waits, fails, and is made anew.
    "CREATE UNIQUE INDEX events_jobs_one_of_key ON events_jobs (listener, order_key)
        WHERE order_key IS NOT NULL AND state = 1 AND worker IS NOT NULL",
    "CREATE TABLE events_workers (
        id {id},
        name TEXT NOT NULL,
        host TEXT NOT NULL,
        boot TEXT NOT NULL,
        process BIGINT NOT NULL,
        lock_path TEXT,
        lock_device BIGINT,
        lock_inode BIGINT,
        claims TEXT NOT NULL,
        queues TEXT NOT NULL DEFAULT '[]',
        lapse BIGINT NOT NULL DEFAULT 60000,
        started_at BIGINT NOT NULL,
        heartbeat_at BIGINT NOT NULL
    )",
]];

impl Store {
    /// Brings the tables up to date. Safe to call at any time, by any number of processes at once.
    ///
    /// # Errors
    ///
    /// If a statement fails: nothing of its step is kept then; or if the tables are newer than this program.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        let version = current(&transaction, self.backend()).await?;
        let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
        if version > known {
            return Err(StoreError::NewerSchema {
                found: version,
                known,
            });
        }
        let done = usize::try_from(version).unwrap_or_default();
        for (number, step) in (version + 1..).zip(&STEPS[done..]) {
            for statement in *step {
                let statement = in_words_of(self.backend(), statement);
                transaction.execute_unprepared(&statement).await?;
            }
            transaction
                .execute_raw(Statement::from_sql_and_values(
                    self.backend(),
                    "INSERT INTO events_schema (version, applied_at) VALUES ($1, $2)",
                    [number.into(), Utc::now().timestamp_millis().into()],
                ))
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// The version of the tables; 0 before the first step. On Postgres others wait for the lock that this takes.
async fn current(transaction: &DatabaseTransaction, backend: DbBackend) -> Result<i64, StoreError> {
    if backend == DbBackend::Postgres {
        // "events" as a number: the lock of this library's migrations.
        transaction
            .execute_unprepared("SELECT pg_advisory_xact_lock(111559424062579)")
            .await?;
    }
    transaction
        .execute_unprepared(
            "CREATE TABLE IF NOT EXISTS events_schema (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)",
        )
        .await?;
    let row = transaction
        .query_one_raw(Statement::from_string(
            backend,
            "SELECT COALESCE(MAX(version), 0) FROM events_schema",
        ))
        .await?;
    Ok(match row {
        Some(row) => row.try_get_by_index(0)?,
        None => 0,
    })
}

fn in_words_of(backend: DbBackend, statement: &str) -> String {
    let (id, uuid, boolean, no) = if backend == DbBackend::Postgres {
        (
            "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            "UUID",
            "BOOLEAN",
            "FALSE",
        )
    } else {
        // An id is never given twice, so that what a late worker knows of a deleted job fits no other.
        ("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", "BOOLEAN", "0")
    };
    statement
        .replace("{id}", id)
        .replace("{uuid}", uuid)
        .replace("{bool}", boolean)
        .replace("{false}", no)
}
