//! What is done from time to time: finished jobs are forgotten, and jobs that nobody knows are parked.

use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::{Events, ParkReason};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::claim::{self, Claimed};
use super::end;
use crate::store::{Store, StoreError};

/// So many rows are deleted in one transaction, so that others wait for a moment only.
const BATCH: i64 = 1_000;

/// How long a job that no live worker knows stays pending after it was due.
pub(crate) const UNKNOWN_AFTER: Duration = Duration::from_hours(7 * 24);

/// Forgets jobs that are done since longer than `retention`. Whether there may be more.
pub(super) async fn forget_done(
    store: &Store,
    retention: Duration,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let before = before(now, retention);
    // What another worker deletes at this moment is its business.
    let skip = if store.backend() == DbBackend::Postgres {
        "FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let result = store
        .writer()
        .execute_raw(Statement::from_sql_and_values(
            store.backend(),
            format!(
                "DELETE FROM events_jobs WHERE id IN \
             (SELECT id FROM events_jobs WHERE state = 2 AND changed_at < $1 ORDER BY changed_at LIMIT $2 {skip})"
            ),
            [before.into(), BATCH.into()],
        ))
        .await?;
    Ok(result.rows_affected() == BATCH.unsigned_abs())
}

/// Parks jobs that have been due for [`UNKNOWN_AFTER`] and that no live worker claims. Whether there may be more.
pub(super) async fn park_unknown(
    events: &Events,
    store: &Store,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let backend = store.backend();
    let (texts, newline, skip) = if backend == DbBackend::Postgres {
        (
            "SELECT json_array_elements_text(w.claims::json)",
            "E'\\n'",
            "FOR UPDATE OF j SKIP LOCKED",
        )
    } else {
        ("SELECT value FROM json_each(w.claims)", "char(10)", "")
    };
    let unknown = format!(
        "SELECT j.id FROM events_jobs AS j WHERE j.state = 0 AND j.run_at < $1 AND NOT EXISTS \
         (SELECT 1 FROM events_workers AS w WHERE \
         j.event || {newline} || j.version || {newline} || j.listener IN ({texts})) LIMIT "
    );
    let first = store
        .reader()
        .query_one_raw(Statement::from_sql_and_values(
            backend,
            format!("{unknown} 1"),
            [before(now, UNKNOWN_AFTER).into()],
        ))
        .await?;
    if first.is_none() {
        return Ok(false);
    }
    let transaction = store.begin().await?;
    let statement = format!(
        "UPDATE events_jobs SET state = 1, fence = fence + 1, changed_at = $2 \
         WHERE id IN ({unknown} {BATCH} {skip}) AND state = 0 RETURNING {}",
        claim::READ
    );
    let rows = transaction
        .query_all_raw(Statement::from_sql_and_values(
            backend,
            statement,
            [
                before(now, UNKNOWN_AFTER).into(),
                now.timestamp_millis().into(),
            ],
        ))
        .await?;
    for claimed in claim::read_all(&transaction, &rows, now).await? {
        let reason = reason_of(events, &claimed);
        let error = "no worker has known this event, version and listener for 7 days";
        end::park(&transaction, claimed.hold, reason, error, now).await?;
    }
    transaction.commit().await?;
    Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX) == BATCH)
}

/// What of the job is unknown, as far as this program can tell.
fn reason_of(events: &Events, claimed: &Claimed) -> ParkReason {
    let job = &claimed.job;
    let known = events.claimable();
    let mut of_event = known.iter().filter(|known| known.event == job.event);
    let Some(first) = of_event.next() else {
        return ParkReason::UnknownEvent;
    };
    if first.version == job.version || of_event.any(|known| known.version == job.version) {
        ParkReason::UnknownListener
    } else {
        ParkReason::UnknownVersion
    }
}

fn before(now: DateTime<Utc>, span: Duration) -> i64 {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    now.timestamp_millis().saturating_sub(span)
}
