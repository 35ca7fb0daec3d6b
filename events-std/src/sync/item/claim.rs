//! The claim: a worker takes items, and each take is counted before the run.

use chrono::{DateTime, Utc};
use events_core::Delivery;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Value};
use uuid::Uuid;

use super::packed;
use crate::queue::{Hold, TAKEN};
use crate::store::{self, Columns, StoreError};

/// An item that a worker holds.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedItem {
    pub(crate) hold: Hold,
    pub(crate) integration_id: i64,
    pub(crate) run_id: i64,
    /// Whether its run is closed: an operator retries it.
    pub(crate) late: bool,
    pub(crate) event_name: String,
    pub(crate) version: u32,
    pub(crate) payload: String,
    pub(crate) external_id: Option<String>,
    /// This attempt included.
    pub(crate) attempts: u32,
    /// Whether its process died in the last attempt, while nothing else ran there.
    pub(crate) crashed: bool,
    /// Until when a rate limit defers it.
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) delivery: Delivery,
}

/// What a claim is made with.
pub(crate) struct ClaimTerms<'t> {
    pub(crate) worker: i64,
    /// The events that the worker knows: `name`, a line break, `version`, as a JSON list.
    pub(crate) events: &'t str,
    pub(crate) now: DateTime<Utc>,
    /// Items that are due until then.
    pub(crate) due: DateTime<Utc>,
}

/// A run whose items may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClaimableRun {
    pub(crate) id: i64,
    late: bool,
}

/// Runs whose items may be claimed, if they have one for which `wanted` holds: open ones, and closed ones of which an
/// item is retried.
fn runs(wanted: &str) -> String {
    // The two halves are what the two indexes hold.
    let wanted =
        format!("EXISTS (SELECT 1 FROM events_sync_items AS i WHERE i.run_id = r.id AND {wanted})");
    format!(
        "SELECT r.id, FALSE FROM events_sync_runs AS r WHERE r.state <> 2 AND r.state = 1 AND {wanted} \
         UNION ALL SELECT r.id, TRUE FROM events_sync_runs AS r WHERE r.reconcile_due AND r.state = 2 AND {wanted}"
    )
}

/// What is true of items whose event the worker knows: the JSON list is the parameter of this number.
fn known(backend: DbBackend, parameter: u8) -> String {
    if backend == DbBackend::Postgres {
        format!(
            "i.event_name || E'\\n' || i.version = ANY(ARRAY(SELECT json_array_elements_text(${parameter}::json)))"
        )
    } else {
        format!(
            "i.event_name || char(10) || i.version IN (SELECT value FROM json_each(${parameter}))"
        )
    }
}

/// The runs that have items which are due and need not run alone.
pub(crate) async fn claimable_runs(
    connection: &impl ConnectionTrait,
    due: DateTime<Utc>,
) -> Result<Vec<ClaimableRun>, StoreError> {
    let sql = runs("i.state = 0 AND i.run_at <= $1 AND NOT i.alone");
    read_runs(&store::rows(connection, sql, [store::time(due)]).await?)
}

/// The runs that have items which are due, must run alone, and are of events that the worker knows.
pub(crate) async fn runs_alone(
    connection: &impl ConnectionTrait,
    events: &str,
    due: DateTime<Utc>,
) -> Result<Vec<ClaimableRun>, StoreError> {
    // Nearly always there is none, which a small index tells at once.
    let any = "SELECT 1 FROM events_sync_items WHERE state = 0 AND alone LIMIT 1";
    if store::row(connection, any, []).await?.is_none() {
        return Ok(Vec::new());
    }
    let known = known(connection.get_database_backend(), 2);
    let sql = runs(&format!(
        "i.state = 0 AND i.run_at <= $1 AND i.alone AND {known}"
    ));
    read_runs(&store::rows(connection, sql, [store::time(due), events.into()]).await?)
}

/// Whether an item that the worker may claim waits or runs anywhere.
pub(crate) async fn anything_left(
    connection: &impl ConnectionTrait,
    events: &str,
) -> Result<bool, StoreError> {
    let known = known(connection.get_database_backend(), 1);
    for state in [0, 1] {
        let sql = format!(
            "{} LIMIT 1",
            runs(&format!("i.state = {state} AND {known}"))
        );
        if store::row(connection, sql, [events.into()])
            .await?
            .is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an item that the worker may claim was due at this time.
pub(crate) async fn anything_due(
    connection: &impl ConnectionTrait,
    events: &str,
    due: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let known = known(connection.get_database_backend(), 2);
    let due_ones = runs(&format!("i.state = 0 AND i.run_at <= $1 AND {known}"));
    let values = [store::time(due), events.into()];
    let found = store::row(connection, format!("{due_ones} LIMIT 1"), values).await?;
    Ok(found.is_some())
}

fn read_runs(rows: &[QueryResult]) -> Result<Vec<ClaimableRun>, StoreError> {
    let read = |row: &QueryResult| -> Result<ClaimableRun, DbErr> {
        Ok(ClaimableRun {
            id: row.try_get_by_index(0)?,
            late: row.try_get_by_index(1)?,
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

const COLUMNS: &str = "id, fence, integration_id, run_id, event_name, version, payload, external_id, attempts, \
                       error_kind, expires_at, delivery_id, created_at";

/// The worker has a row: whoever was taken for dead claims nothing.
const LIVES: &str = "EXISTS (SELECT 1 FROM events_workers WHERE id = $1)";

/// What may be claimed of a run, made for what is asked of the items, those first that have been due longest. `$3` is the
/// run, which must be open or closed as it was when it was found.
fn choice(backend: DbBackend, what: &str, run: ClaimableRun, alone: bool) -> String {
    let known = known(backend, 5);
    let alone = if alone { "i.alone" } else { "NOT i.alone" };
    let state = if run.late { 2 } else { 1 };
    format!(
        "SELECT {what} FROM events_sync_items AS i WHERE i.state = 0 AND i.run_id = $3 AND i.run_at <= $4 AND {alone} \
         AND {known} AND {LIVES} AND EXISTS (SELECT 1 FROM events_sync_runs WHERE id = $3 AND state = {state}) \
         ORDER BY i.run_at, i.id LIMIT $6"
    )
}

/// Takes at most `limit` items of a run. `alone`: one of those that must run alone, else one of the others.
pub(crate) async fn claim(
    connection: &impl ConnectionTrait,
    terms: &ClaimTerms<'_>,
    run: ClaimableRun,
    alone: bool,
    limit: usize,
) -> Result<Vec<ClaimedItem>, StoreError> {
    let backend = connection.get_database_backend();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values: [Value; 6] = [
        terms.worker.into(),
        store::time(terms.now),
        run.id.into(),
        store::time(terms.due),
        terms.events.into(),
        limit.into(),
    ];
    let ids = choice(backend, "i.id", run, alone);
    let sql = if backend == DbBackend::Postgres {
        format!(
            "UPDATE events_sync_items SET {TAKEN} WHERE id = ANY(ARRAY({ids} FOR UPDATE OF i SKIP LOCKED)) \
             RETURNING {COLUMNS}"
        )
    } else {
        let packed = choice(backend, packed::ITEM, run, alone);
        let taken = packed::take(connection, &packed, &values, terms, run.late).await?;
        if let Some(mut claimed) = taken {
            claimed.sort_by_key(|claimed| claimed.hold.id);
            return Ok(claimed);
        }
        format!("UPDATE events_sync_items SET {TAKEN} WHERE id IN ({ids}) RETURNING {COLUMNS}")
    };
    let rows = store::rows(connection, sql, values).await?;
    let read = |row| read(row, run.late);
    let mut claimed: Vec<ClaimedItem> = rows.iter().map(read).collect::<Result<_, _>>()?;
    claimed.sort_by_key(|claimed| claimed.hold.id);
    Ok(claimed)
}

fn read(row: &QueryResult, late: bool) -> Result<ClaimedItem, DbErr> {
    let mut columns = Columns::of(row);
    let hold = Hold {
        id: columns.next()?,
        fence: columns.next()?,
    };
    let integration_id = columns.next()?;
    let run_id = columns.next()?;
    let event_name = columns.next()?;
    let version: i32 = columns.next()?;
    let payload = columns.next()?;
    let external_id = columns.next()?;
    let attempts: i32 = columns.next()?;
    let error_kind: Option<String> = columns.next()?;
    let expires_at = columns.time_or_none()?.unwrap_or(DateTime::<Utc>::MAX_UTC);
    let id: Uuid = columns.next()?;
    let at = columns.time()?;
    Ok(ClaimedItem {
        hold,
        integration_id,
        run_id,
        late,
        event_name,
        version: version.unsigned_abs(),
        payload,
        external_id,
        attempts: attempts.unsigned_abs(),
        crashed: error_kind.is_some(),
        expires_at,
        delivery: Delivery {
            id,
            at,
            correlation_id: id,
            causation_id: None,
        },
    })
}
