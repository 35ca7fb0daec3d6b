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
    let before = before(now, UNKNOWN_AFTER);
    // Nearly always no queue has anything so old.
    let queues = waiting_since(store, before).await?;
    if queues.is_empty() {
        return Ok(false);
    }
    let queues = serde_json::to_string(&queues).unwrap_or_else(|_| "[]".to_owned());
    let (claims, newline, names, skip) = if backend == DbBackend::Postgres {
        (
            "SELECT json_array_elements_text(claims::json) FROM events_workers",
            "E'\\n'",
            "SELECT json_array_elements_text($1::json)",
            "FOR UPDATE SKIP LOCKED",
        )
    } else {
        (
            "SELECT c.value FROM events_workers AS w, json_each(w.claims) AS c",
            "char(10)",
            "SELECT value FROM json_each($1)",
            "",
        )
    };
    let unknown = format!(
        "SELECT id FROM events_jobs WHERE state = 0 AND queue IN ({names}) AND run_at < $2 \
         AND event || {newline} || version || {newline} || listener NOT IN ({claims}) LIMIT "
    );
    let first = store
        .reader()
        .query_one_raw(Statement::from_sql_and_values(
            backend,
            format!("{unknown} 1"),
            [queues.as_str().into(), before.into()],
        ))
        .await?;
    if first.is_none() {
        return Ok(false);
    }
    let transaction = store.begin().await?;
    let statement = format!(
        "UPDATE events_jobs SET state = 1, fence = fence + 1, changed_at = $3 \
         WHERE id IN ({unknown} {BATCH} {skip}) AND state = 0 RETURNING {}",
        claim::READ
    );
    let rows = transaction
        .query_all_raw(Statement::from_sql_and_values(
            backend,
            statement,
            [queues.into(), before.into(), now.timestamp_millis().into()],
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

/// The queues in which a job waits that was due before this time. The index of ready jobs is read at one place for each
/// queue, however many jobs wait.
async fn waiting_since(store: &Store, before: i64) -> Result<Vec<String>, StoreError> {
    let next = |after: &str| {
        format!("SELECT queue FROM events_jobs WHERE state = 0 {after} ORDER BY queue LIMIT 1")
    };
    let sql = format!(
        "WITH RECURSIVE queues (queue) AS (SELECT first.queue FROM ({}) AS first \
         UNION ALL SELECT ({}) FROM queues AS q WHERE q.queue IS NOT NULL) \
         SELECT q.queue FROM queues AS q WHERE EXISTS \
         (SELECT 1 FROM events_jobs AS j WHERE j.state = 0 AND j.queue = q.queue AND j.run_at < $1)",
        next(""),
        next("AND queue > q.queue")
    );
    let statement = Statement::from_sql_and_values(store.backend(), sql, [before.into()]);
    let rows = store.reader().query_all_raw(statement).await?;
    let queues = rows.iter().map(|row| row.try_get_by_index(0));
    Ok(queues.collect::<Result<_, _>>()?)
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
