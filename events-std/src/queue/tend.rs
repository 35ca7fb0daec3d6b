//! What is done from time to time: finished jobs are forgotten, and jobs that nobody knows are parked.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Statement};

use crate::store::{Store, StoreError};

/// So many rows are deleted in one transaction, so that others wait for a moment only.
const BATCH: i64 = 1_000;

/// How long a job that no live worker knows stays pending after it was due.
pub(super) const UNKNOWN_AFTER: Duration = Duration::from_hours(7 * 24);

/// Forgets jobs that are done since longer than `retention`. Whether there may be more.
pub(super) async fn forget_done(
    store: &Store,
    retention: Duration,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let before = before(now, retention);
    let result = store
        .writer()
        .execute_raw(Statement::from_sql_and_values(
            store.backend(),
            "DELETE FROM events_jobs WHERE id IN \
             (SELECT id FROM events_jobs WHERE state = 2 AND changed_at < $1 ORDER BY changed_at LIMIT $2)",
            [before.into(), BATCH.into()],
        ))
        .await?;
    Ok(result.rows_affected() == BATCH.unsigned_abs())
}

/// Parks jobs that have been due for [`UNKNOWN_AFTER`] and that no live worker claims.
pub(super) async fn park_unknown(store: &Store, now: DateTime<Utc>) -> Result<(), StoreError> {
    let (texts, newline) = if store.backend() == sea_orm::DbBackend::Postgres {
        ("SELECT json_array_elements_text(w.claims::json)", "E'\\n'")
    } else {
        ("SELECT value FROM json_each(w.claims)", "char(10)")
    };
    let statement = format!(
        "UPDATE events_jobs SET state = 3, reason = 'unknown listener', changed_at = $2, \
         error = 'no worker has known this event, version and listener for 7 days' \
         WHERE state = 0 AND run_at < $1 AND NOT EXISTS (SELECT 1 FROM events_workers AS w WHERE \
         events_jobs.event || {newline} || events_jobs.version || {newline} || events_jobs.listener IN ({texts}))"
    );
    store
        .writer()
        .execute_raw(Statement::from_sql_and_values(
            store.backend(),
            statement,
            [
                before(now, UNKNOWN_AFTER).into(),
                now.timestamp_millis().into(),
            ],
        ))
        .await?;
    Ok(())
}

fn before(now: DateTime<Utc>, span: Duration) -> i64 {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    now.timestamp_millis().saturating_sub(span)
}
