//! The claim: a worker takes items, and each take is counted before the run.

use chrono::{DateTime, Utc};
use events_core::Delivery;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Value};
use uuid::Uuid;

use crate::store::{self, Columns, StoreError};

/// What a claim holds: an item, and the fence that tells this hold of it from any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ItemHold {
    pub(crate) id: i64,
    pub(crate) fence: i64,
}

/// An item that a worker holds.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedItem {
    pub(crate) hold: ItemHold,
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

/// The runs whose items may be claimed: open ones, and closed ones of which an item is retried.
pub(crate) async fn claimable_runs(
    connection: &impl ConnectionTrait,
) -> Result<Vec<ClaimableRun>, StoreError> {
    // The two halves are what the two indexes hold.
    let sql = "SELECT id, FALSE FROM events_sync_runs WHERE state <> 2 AND state = 1 \
               UNION ALL SELECT id, TRUE FROM events_sync_runs WHERE reconcile_due AND state = 2";
    let rows = store::rows(connection, sql, []).await?;
    let read = |row: &QueryResult| -> Result<ClaimableRun, DbErr> {
        Ok(ClaimableRun {
            id: row.try_get_by_index(0)?,
            late: row.try_get_by_index(1)?,
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

const TAKEN: &str =
    "state = 1, fence = fence + 1, attempts = attempts + 1, worker = $1, changed_at = $2";

const COLUMNS: &str = "id, fence, integration_id, run_id, event_name, version, payload, external_id, attempts, \
                       expires_at, delivery_id, created_at";

/// The worker has a row: whoever was taken for dead claims nothing.
const LIVES: &str = "EXISTS (SELECT 1 FROM events_workers WHERE id = $1)";

/// What may be claimed of a run, those items that have been due longest first. `$3` is the run.
fn choice(backend: DbBackend, alone: &str) -> String {
    let (newline, known) = if backend == DbBackend::Postgres {
        (
            "E'\\n'",
            "= ANY(ARRAY(SELECT json_array_elements_text($5::json)))",
        )
    } else {
        ("char(10)", "IN (SELECT value FROM json_each($5))")
    };
    format!(
        "SELECT i.id FROM events_sync_items AS i WHERE i.state = 0 AND i.run_id = $3 AND i.run_at <= $4 AND {alone} \
         AND i.event_name || {newline} || i.version {known} AND {LIVES} ORDER BY i.run_at, i.id LIMIT $6"
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
    let choice = choice(backend, if alone { "i.alone" } else { "NOT i.alone" });
    let sql = if backend == DbBackend::Postgres {
        format!(
            "UPDATE events_sync_items SET {TAKEN} WHERE id = ANY(ARRAY({choice} FOR UPDATE OF i SKIP LOCKED)) \
             RETURNING {COLUMNS}"
        )
    } else {
        format!("UPDATE events_sync_items SET {TAKEN} WHERE id IN ({choice}) RETURNING {COLUMNS}")
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values: [Value; 6] = [
        terms.worker.into(),
        store::time(terms.now),
        run.id.into(),
        store::time(terms.due),
        terms.events.into(),
        limit.into(),
    ];
    let rows = store::rows(connection, sql, values).await?;
    let read = |row| read(row, run.late);
    let mut claimed: Vec<ClaimedItem> = rows.iter().map(read).collect::<Result<_, _>>()?;
    claimed.sort_by_key(|claimed| claimed.hold.id);
    Ok(claimed)
}

/// Whether an item waits anywhere that must run alone: nearly always none does, which a small index tells at once.
pub(crate) async fn alone_waits(connection: &impl ConnectionTrait) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM events_sync_items WHERE state = 0 AND alone LIMIT 1";
    Ok(store::row(connection, sql, []).await?.is_some())
}

fn read(row: &QueryResult, late: bool) -> Result<ClaimedItem, DbErr> {
    let mut columns = Columns::of(row);
    let hold = ItemHold {
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
        expires_at,
        delivery: Delivery {
            id,
            at,
            correlation_id: id,
            causation_id: None,
        },
    })
}
