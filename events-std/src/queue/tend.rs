//! What is done from time to time: jobs that nobody knows are parked.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use events_core::{Events, ParkReason};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::Serialize;

use super::claim::{self, Claimed};
use super::end;
use super::unknown::{Keys, LOOK, Memory, UNKNOWN_AFTER, before};
use crate::store::{self, Store, StoreError};

/// So many jobs are parked in one transaction, so that others wait for a moment only.
const BATCH: i64 = 1_000;

/// Parks jobs that no live worker knows: they and their key have waited for [`UNKNOWN_AFTER`]. Whether there are more,
/// and `goes_on` is to be true the next time. `is_known` says which keys this worker has.
pub(super) async fn park_unknown(
    events: &Events,
    store: &Store,
    is_known: impl Fn(&str) -> bool,
    goes_on: bool,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let mut memory = Memory::read(store, Keys::Jobs, now).await?;
    memory.forget_known(store, is_known).await?;
    if !goes_on {
        if !memory.wants_look() {
            return Ok(false);
        }
        let found = find_unknown(store, now).await?;
        memory.note(store, found).await?;
    }
    let ripe = memory.ripe();
    if ripe.is_empty() {
        return Ok(false);
    }
    let before = before(now, UNKNOWN_AFTER);
    let queues = waiting_since(store, before).await?;
    let (queues, keys) = (json(&queues), json(&ripe));
    let skip = if store.backend() == DbBackend::Postgres {
        "FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let (unknown, texts) = (unknown(store.backend()), texts(store.backend()));
    let key = key(store.backend());
    let transaction = store.begin().await?;
    let statement = format!(
        "UPDATE events_jobs SET state = 1, fence = fence + 1, changed_at = $3 WHERE id IN (SELECT id {unknown} \
         AND {key} IN ({texts}$4{})) LIMIT {BATCH} {skip}) AND state = 0 RETURNING {}",
        cast(store.backend()),
        claim::READ
    );
    let now_ms = now.timestamp_millis();
    let values = [queues.into(), before.into(), now_ms.into(), keys.into()];
    let rows = store::rows(&transaction, statement, values).await?;
    for claimed in claim::read_all(&transaction, &rows, now).await? {
        let reason = reason_of(events, &claimed);
        let error = "no worker has known this event, version and listener for 7 days";
        end::park(&transaction, claimed.hold, reason, error, now).await?;
    }
    transaction.commit().await?;
    Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX) == BATCH)
}

/// The keys of jobs that have been due for a while and that no live worker claims.
async fn find_unknown(store: &Store, now: DateTime<Utc>) -> Result<BTreeSet<String>, StoreError> {
    let before = before(now, LOOK);
    let queues = waiting_since(store, before).await?;
    if queues.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (key, unknown) = (key(store.backend()), unknown(store.backend()));
    let sql = format!("SELECT DISTINCT {key} {unknown}");
    let rows = store::rows(store.reader(), sql, [json(&queues).into(), before.into()]).await?;
    let keys = rows.iter().map(|row| row.try_get_by_index(0));
    Ok(keys.collect::<Result<_, _>>()?)
}

/// The key of a job, as [`claim::key_of`] has it.
fn key(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        "event || E'\\n' || version || E'\\n' || listener"
    } else {
        "event || char(10) || version || char(10) || listener"
    }
}

/// What reads a parameter, which comes next and then [`cast`], as a list.
fn texts(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        "SELECT json_array_elements_text("
    } else {
        "SELECT value FROM json_each("
    }
}

fn cast(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        "::json"
    } else {
        ""
    }
}

/// Where jobs stand that no live worker claims, of the queues of `$1` and due before `$2`.
fn unknown(backend: DbBackend) -> String {
    let claims = if backend == DbBackend::Postgres {
        "SELECT json_array_elements_text(claims::json) FROM events_workers"
    } else {
        "SELECT c.value FROM events_workers AS w, json_each(w.claims) AS c"
    };
    let (key, texts, cast) = (key(backend), texts(backend), cast(backend));
    format!(
        "FROM events_jobs WHERE state = 0 AND queue IN ({texts}$1{cast})) AND behind IN (FALSE, TRUE) AND run_at < $2 AND {key} NOT IN ({claims})"
    )
}

fn json<T: Serialize>(list: &[T]) -> String {
    serde_json::to_string(list).unwrap_or_else(|_| "[]".to_owned())
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
         (SELECT 1 FROM events_jobs AS j WHERE j.state = 0 AND j.queue = q.queue AND j.behind IN (FALSE, TRUE) AND j.run_at < $1)",
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
