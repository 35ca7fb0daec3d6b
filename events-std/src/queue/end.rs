//! The end of a claim. Every write here matches id, fence and the running state: who lost the claim changes nothing.

use chrono::{DateTime, Utc};
use events_core::{JobFailure, Verdict};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use serde::Serialize;

use super::claim::Claimed;

/// What is kept of an error's text, in characters.
const ERROR_LENGTH: usize = 1_000;

/// A claim that has ended, and how.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) claimed: Claimed,
    pub(super) verdict: Verdict,
}

#[derive(Serialize)]
struct Held {
    i: i64,
    f: i64,
}

/// Writes the ends of claims, those of finished jobs in one statement.
pub(super) async fn write(
    connection: &impl ConnectionTrait,
    ended: &[Ended],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let mut done = Vec::with_capacity(ended.len());
    for end in ended {
        match &end.verdict {
            Verdict::Retry { at, failure } => {
                retry(connection, &end.claimed, *at, failure, now).await?;
            }
            Verdict::Park(failure) => park(connection, &end.claimed, failure, now).await?,
            _ => done.push(Held {
                i: end.claimed.id,
                f: end.claimed.fence,
            }),
        }
    }
    finish(connection, &done, now).await
}

async fn finish(
    connection: &impl ConnectionTrait,
    done: &[Held],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    if done.is_empty() {
        return Ok(());
    }
    let list = serde_json::to_string(done).map_err(|error| DbErr::Json(error.to_string()))?;
    let backend = connection.get_database_backend();
    let statement = if backend == DbBackend::Postgres {
        "UPDATE events_jobs SET state = 2, worker = NULL, changed_at = $2
         FROM json_to_recordset($1::json) AS held (i bigint, f bigint)
         WHERE events_jobs.id = held.i AND events_jobs.fence = held.f AND events_jobs.state = 1"
    } else {
        "UPDATE events_jobs SET state = 2, worker = NULL, changed_at = $2
         FROM (SELECT value ->> 'i' AS i, value ->> 'f' AS f FROM json_each($1)) AS held
         WHERE events_jobs.id = held.i AND events_jobs.fence = held.f AND events_jobs.state = 1"
    };
    connection
        .execute_raw(Statement::from_sql_and_values(
            backend,
            statement,
            [list.into(), now.timestamp_millis().into()],
        ))
        .await?;
    Ok(())
}

async fn retry(
    connection: &impl ConnectionTrait,
    claimed: &Claimed,
    at: DateTime<Utc>,
    failure: &JobFailure,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    connection
        .execute_raw(Statement::from_sql_and_values(
            connection.get_database_backend(),
            "UPDATE events_jobs SET state = 0, worker = NULL, alone = FALSE, run_at = $3, error = $4, changed_at = $5
             WHERE id = $1 AND fence = $2 AND state = 1",
            [
                claimed.id.into(),
                claimed.fence.into(),
                at.timestamp_millis().into(),
                text(failure.message()).into(),
                now.timestamp_millis().into(),
            ],
        ))
        .await?;
    Ok(())
}

async fn park(
    connection: &impl ConnectionTrait,
    claimed: &Claimed,
    failure: &JobFailure,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    connection
        .execute_raw(Statement::from_sql_and_values(
            connection.get_database_backend(),
            "UPDATE events_jobs SET state = 3, worker = NULL, alone = FALSE, reason = $3, error = $4, changed_at = $5
             WHERE id = $1 AND fence = $2 AND state = 1",
            [
                claimed.id.into(),
                claimed.fence.into(),
                failure.reason().to_string().into(),
                text(failure.message()).into(),
                now.timestamp_millis().into(),
            ],
        ))
        .await?;
    Ok(())
}

/// Gives back a claim that was not run to its end, with its attempt.
pub(super) async fn release(
    connection: &impl ConnectionTrait,
    claimed: &Claimed,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    connection
        .execute_raw(Statement::from_sql_and_values(
            connection.get_database_backend(),
            "UPDATE events_jobs SET state = 0, worker = NULL, attempts = attempts - 1, changed_at = $3
             WHERE id = $1 AND fence = $2 AND state = 1",
            [
                claimed.id.into(),
                claimed.fence.into(),
                now.timestamp_millis().into(),
            ],
        ))
        .await?;
    Ok(())
}

/// Ends one claim as done, in the transaction in which its listener wrote; whether the claim was still held.
pub(super) async fn finish_in(
    connection: &impl ConnectionTrait,
    claimed: &Claimed,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let result = connection
        .execute_raw(Statement::from_sql_and_values(
            connection.get_database_backend(),
            "UPDATE events_jobs SET state = 2, worker = NULL, changed_at = $3
             WHERE id = $1 AND fence = $2 AND state = 1",
            [
                claimed.id.into(),
                claimed.fence.into(),
                now.timestamp_millis().into(),
            ],
        ))
        .await?;
    Ok(result.rows_affected() == 1)
}

/// An error's text as it is kept. Postgres cannot hold a NUL.
fn text(message: &str) -> String {
    message
        .chars()
        .filter(|character| *character != '\0')
        .take(ERROR_LENGTH)
        .collect()
}
