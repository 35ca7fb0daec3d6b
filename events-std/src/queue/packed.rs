//! A claim on SQLite. There each row of an answer goes from the connection's thread to the caller by itself, each with
//! a wake-up, which costs more than the row: so the jobs are chosen as one text, and taken by a second statement of the
//! same transaction, which no other writer can come between.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use events_core::{Delivery, Job};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use serde::Deserialize;
use uuid::Uuid;

use super::claim::{Claimed, Hold, TAKEN, Terms, time};

/// What is asked of a job `j`, for [`Row`] to read. Texts are cast: a function of JSON refuses what is none.
pub(super) const ROW: &str = "json_array(j.id, j.fence + 1, hex(j.uid), CAST(j.queue AS TEXT), CAST(j.event AS TEXT), j.version, \
                   CAST(j.listener AS TEXT), CAST(j.payload AS TEXT), hex(j.delivery_id), j.dispatched_at, \
                   hex(j.correlation_id), iif(j.causation_id IS NULL, NULL, hex(j.causation_id)), j.run_at, \
                   j.expires_at, CAST(j.unique_key AS TEXT), j.unique_until, CAST(j.order_key AS TEXT), \
                   CAST(j.trace AS TEXT), j.attempts + 1) AS job";

/// A job as one text has it, after it is taken.
#[derive(Deserialize)]
struct Row<'r> {
    id: i64,
    fence: i64,
    uid: Uuid,
    #[serde(borrow)]
    queue: Cow<'r, str>,
    event: Cow<'r, str>,
    version: u32,
    listener: Cow<'r, str>,
    payload: Cow<'r, str>,
    delivery_id: Uuid,
    dispatched_at: i64,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    run_at: i64,
    expires_at: Option<i64>,
    unique_key: Option<String>,
    unique_until: Option<i64>,
    order_key: Option<String>,
    trace: Option<String>,
    attempts: u32,
}

impl From<Row<'_>> for Claimed {
    fn from(row: Row<'_>) -> Self {
        let job = Job {
            id: row.uid,
            queue: row.queue.into_owned(),
            event: row.event.into_owned(),
            version: row.version,
            listener: row.listener.into_owned(),
            payload: row.payload.into(),
            delivery: Delivery {
                id: row.delivery_id,
                at: time(row.dispatched_at),
                correlation_id: row.correlation_id,
                causation_id: row.causation_id,
            },
            run_at: time(row.run_at),
            expires_at: row.expires_at.map(time),
            unique_key: row.unique_key,
            unique_until: row.unique_until.map(time),
            order_key: row.order_key,
            formerly: &[],
            trace: row.trace,
            attempts: row.attempts,
        };
        let (id, fence) = (row.id, row.fence);
        Self {
            hold: Hold { id, fence },
            job,
        }
    }
}

/// Takes the jobs that a query chooses, which asks for [`ROW`]. None: not all of them can be read, and none was taken.
pub(super) async fn take(
    connection: &impl ConnectionTrait,
    choose: &str,
    values: &[Value],
    terms: &Terms<'_>,
) -> Result<Option<Vec<Claimed>>, DbErr> {
    let Some(text) = chosen(connection, choose, values).await? else {
        return Ok(None);
    };
    let Ok(rows) = serde_json::from_str::<Vec<Row<'_>>>(&text) else {
        return Ok(None);
    };
    let mut claimed: Vec<Claimed> = rows.into_iter().map(Claimed::from).collect();
    claimed.sort_by_key(|claimed| (claimed.job.run_at, claimed.hold.id));
    let ids = claimed.iter().map(|claimed| claimed.hold.id).collect();
    mark(connection, "events_jobs", terms.worker, terms.now, ids).await?;
    Ok(Some(claimed))
}

/// The rows that a query chooses, each of which it asks for as one JSON text named `job`, as a JSON list. None: there is
/// a value in them that is no text.
pub(crate) async fn chosen(
    connection: &impl ConnectionTrait,
    choose: &str,
    values: &[Value],
) -> Result<Option<String>, DbErr> {
    let select = format!("SELECT '[' || coalesce(group_concat(job), '') || ']' FROM ({choose})");
    let select = Statement::from_sql_and_values(DbBackend::Sqlite, select, values.iter().cloned());
    let row = connection.query_one_raw(select).await?;
    Ok(row.and_then(|row| row.try_get_by_index(0).ok()))
}

/// Takes the rows of these ids, which were chosen in the same transaction.
pub(crate) async fn mark(
    connection: &impl ConnectionTrait,
    table: &str,
    worker: i64,
    now: DateTime<Utc>,
    ids: Vec<i64>,
) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids = serde_json::to_string(&ids).map_err(|error| DbErr::Json(error.to_string()))?;
    let take = format!("UPDATE {table} SET {TAKEN} WHERE id IN (SELECT value FROM json_each($3))");
    let values = [worker.into(), now.timestamp_millis().into(), ids.into()];
    connection
        .execute_raw(Statement::from_sql_and_values(
            DbBackend::Sqlite,
            take,
            values,
        ))
        .await?;
    Ok(())
}
