//! Migrations: one set of definitions for both databases.

use chrono::Utc;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};

use super::schema::STEPS;
use super::{Store, StoreError};

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
                if let Some(statement) = in_words_of(self.backend(), statement) {
                    transaction.execute_unprepared(&statement).await?;
                }
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

/// The statement as the database has it; none: it is for the other one alone.
fn in_words_of(backend: DbBackend, statement: &str) -> Option<String> {
    let statement = match statement.strip_prefix("{postgres}") {
        Some(_) if backend != DbBackend::Postgres => return None,
        Some(rest) => rest,
        None => statement,
    };
    let (id, uuid, boolean, no, yes, bytes) = if backend == DbBackend::Postgres {
        (
            "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            "UUID",
            "BOOLEAN",
            "FALSE",
            "TRUE",
            "BYTEA",
        )
    } else {
        // An id is never given twice, so that what a late worker knows of a deleted job fits no other.
        (
            "INTEGER PRIMARY KEY AUTOINCREMENT",
            "BLOB",
            "BOOLEAN",
            "0",
            "1",
            "BLOB",
        )
    };
    let statement = statement
        .replace("{id}", id)
        .replace("{uuid}", uuid)
        .replace("{bool}", boolean)
        .replace("{false}", no)
        .replace("{true}", yes)
        .replace("{bytes}", bytes);
    Some(statement)
}
