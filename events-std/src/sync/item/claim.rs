//! The claim: a worker takes items, and each take is counted before the run.

use chrono::{DateTime, Utc};
use events_core::Delivery;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Value};
use uuid::Uuid;

use super::end::{self, AllWell};
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
    /// The trace of the sync that found it, as it travels.
    pub(super) trace: Option<String>,
    /// Why its row cannot be read, if it cannot: what it does not say is empty then.
    pub(crate) unreadable: Option<String>,
}

impl ClaimedItem {
    /// What the claim itself says, of which nothing but the run and the hold is read.
    pub(super) fn unread(run: ClaimableRun, hold: Hold) -> Self {
        Self {
            hold,
            integration_id: run.integration_id,
            run_id: run.id,
            late: run.late,
            event_name: String::new(),
            version: 0,
            payload: String::new(),
            external_id: None,
            attempts: 0,
            crashed: false,
            expires_at: DateTime::<Utc>::MAX_UTC,
            delivery: Delivery {
                id: Uuid::nil(),
                at: DateTime::UNIX_EPOCH,
                correlation_id: Uuid::nil(),
                causation_id: None,
            },
            trace: None,
            unreadable: None,
        }
    }
}

/// What a claim is made with.
pub(crate) struct ClaimTerms<'t> {
    pub(crate) worker: i64,
    /// The events that the worker knows, as [`known_list`] writes them for its database.
    pub(crate) events: &'t str,
    pub(crate) now: DateTime<Utc>,
    /// Items that are due until then.
    pub(crate) due: DateTime<Utc>,
}

/// A run whose items may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClaimableRun {
    pub(crate) id: i64,
    integration_id: i64,
    pub(super) late: bool,
}

/// Runs whose items may be claimed, if they have one for which `wanted` holds: open ones, and closed ones of which an
/// item is retried.
fn runs(wanted: &str) -> String {
    // The two halves are what the two indexes hold.
    let wanted =
        format!("EXISTS (SELECT 1 FROM events_sync_items AS i WHERE i.run_id = r.id AND {wanted})");
    format!(
        "SELECT r.id, r.integration_id, FALSE FROM events_sync_runs AS r WHERE r.state <> 2 AND r.state = 1 AND {wanted} \
         UNION ALL SELECT r.id, r.integration_id, TRUE FROM events_sync_runs AS r WHERE r.reconcile_due AND r.state = 2 AND {wanted}"
    )
}

/// The events that a worker knows, name and version, in JSON, as the claims of a database read them.
pub(crate) fn known_list(backend: DbBackend, known: &[(&str, u32)]) -> String {
    let list = if backend == DbBackend::Postgres {
        let keys = known.iter().map(|(name, version)| key_of(name, *version));
        serde_json::to_string(&keys.collect::<Vec<_>>())
    } else {
        serde_json::to_string(known)
    };
    list.unwrap_or_else(|_| "[]".to_owned())
}

/// What tells others that a worker knows an event.
pub(crate) fn key_of(name: &str, version: u32) -> String {
    format!("{name}\n{version}")
}

/// What is true of items whose event the worker knows, whose list is the parameter of this number: each database by what is
/// quickest there, for a claim asks it of every item.
fn known(backend: DbBackend, parameter: u8) -> String {
    if backend == DbBackend::Postgres {
        format!(
            "i.event_name || E'\\n' || i.version = ANY(ARRAY(SELECT json_array_elements_text(${parameter}::json)))"
        )
    } else {
        format!(
            "(i.event_name, i.version) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${parameter}))"
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
            integration_id: row.try_get_by_index(1)?,
            late: row.try_get_by_index(2)?,
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// What [`read`] reads.
const COLUMNS: &str = "id, fence, event_name, version, payload, external_id, attempts, error_kind, expires_at, \
                       delivery_id, created_at, trace";

/// The worker has a row: whoever was taken for dead claims nothing.
const LIVES: &str = "EXISTS (SELECT 1 FROM events_workers WHERE id = $1)";

/// What may be claimed of a run, made for what is asked of the items, those first that have been due longest. `$3` is the
/// run, which must be open or closed as it was when it was found.
fn choice(backend: DbBackend, what: &str, run: ClaimableRun, alone: bool) -> String {
    let known = known(backend, 5);
    let alone = if alone { "i.alone" } else { "NOT i.alone" };
    let state = if run.late { 2 } else { 1 };
    // For a limit that is a parameter by itself, SQLite plans anew each time.
    format!(
        "SELECT {what} FROM events_sync_items AS i WHERE i.state = 0 AND i.run_id = $3 AND i.run_at <= $4 AND {alone} \
         AND {known} AND {LIVES} AND EXISTS (SELECT 1 FROM events_sync_runs WHERE id = $3 AND state = {state}) \
         ORDER BY i.run_at, i.id LIMIT $6 + 0"
    )
}

/// What the statements of a claim bind, in their order.
fn values(terms: &ClaimTerms<'_>, run: ClaimableRun, limit: usize) -> [Value; 6] {
    [
        terms.worker.into(),
        store::time(terms.now),
        run.id.into(),
        store::time(terms.due),
        terms.events.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ]
}

/// What takes items of a run on Postgres, and gives the columns that [`read`] reads.
fn taking(run: ClaimableRun, alone: bool) -> String {
    let ids = choice(DbBackend::Postgres, "i.id", run, alone);
    format!(
        "UPDATE events_sync_items SET {TAKEN} WHERE id = ANY(ARRAY({ids} FOR UPDATE OF i SKIP LOCKED)) RETURNING {COLUMNS}"
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
    let values = values(terms, run, limit);
    let sql = if backend == DbBackend::Postgres {
        taking(run, alone)
    } else {
        let packed = choice(backend, packed::ITEM, run, alone);
        let taken = packed::take(connection, &packed, &values, terms, run).await?;
        if let Some(claimed) = taken {
            return Ok(sorted(claimed));
        }
        let ids = choice(backend, "i.id", run, alone);
        format!("UPDATE events_sync_items SET {TAKEN} WHERE id IN ({ids}) RETURNING {COLUMNS}")
    };
    let rows = store::rows(connection, sql, values).await?;
    let read = |row| read_taken(row, 0, run);
    let claimed: Vec<ClaimedItem> = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(sorted(claimed))
}

fn sorted(mut claimed: Vec<ClaimedItem>) -> Vec<ClaimedItem> {
    claimed.sort_by_key(|claimed| claimed.hold.id);
    claimed
}

/// What one statement has done.
pub(super) struct FinishedAndClaimed {
    pub(super) claimed: Vec<ClaimedItem>,
    /// Whether the ends were written, and if so, whether their run may have no item any more that has not ended.
    pub(super) complete: Option<bool>,
}

/// Ends items well and takes others, as [`claim`] does, by one statement of Postgres, which is a transaction by itself.
/// The ends are left where the integration has failed items, which these may supersede: that takes more.
pub(super) async fn finish_and_claim(
    connection: &impl ConnectionTrait,
    terms: &ClaimTerms<'_>,
    well: &AllWell,
    run: ClaimableRun,
    limit: usize,
) -> Result<FinishedAndClaimed, StoreError> {
    let backend = DbBackend::Postgres;
    let (done, take) = (end::done(backend, 2, 7), taking(run, false));
    // The run comes last: from there on others who end items of it wait.
    let sql = format!(
        "WITH failed AS (SELECT EXISTS (SELECT 1 FROM events_sync_items WHERE state = 3 AND integration_id = $9) AS any_is), \
         done AS ({done} AND NOT (SELECT any_is FROM failed) RETURNING 1), taken AS ({take}), \
         counted AS (UPDATE events_sync_runs SET reconcile_due = TRUE, finished = finished + (SELECT COUNT(*) FROM done), \
         updated_at = $2 WHERE id = $10 AND NOT (SELECT any_is FROM failed) AND (SELECT COUNT(*) FROM taken) >= 0 \
         RETURNING finished >= enumerated AS complete) \
         SELECT NOT failed.any_is, (SELECT complete FROM counted), taken.* FROM failed LEFT JOIN taken ON TRUE"
    );
    let values = values(terms, run, limit).into_iter();
    let values = values.chain(well.held.values(backend));
    let values = values.chain([well.integration_id.into(), well.run_id.into()]);
    let rows = store::rows(connection, sql, values).await?;
    let (mut claimed, mut complete) = (Vec::with_capacity(rows.len()), None);
    for row in &rows {
        if row.try_get_by_index(0)? {
            let counted: Option<bool> = row.try_get_by_index(1)?;
            complete = Some(counted.unwrap_or_default());
        }
        // Without any item there is one row all the same.
        if row.try_get_by_index::<Option<i64>>(2)?.is_some() {
            claimed.push(read_taken(row, 2, run)?);
        }
    }
    Ok(FinishedAndClaimed {
        claimed: sorted(claimed),
        complete,
    })
}

/// The item of a row that was just taken, whose columns begin at this one. One that cannot be read is claimed all the same:
/// it must not keep the others waiting.
fn read_taken(row: &QueryResult, first: usize, run: ClaimableRun) -> Result<ClaimedItem, DbErr> {
    let mut columns = Columns::from(row, first);
    let hold = Hold {
        id: columns.next()?,
        fence: columns.next()?,
    };
    let unread = ClaimedItem::unread(run, hold);
    Ok(
        read(&mut columns, unread.clone()).unwrap_or_else(|error| ClaimedItem {
            unreadable: Some(error.to_string()),
            ..unread
        }),
    )
}

fn read(columns: &mut Columns<'_>, unread: ClaimedItem) -> Result<ClaimedItem, DbErr> {
    let event_name = columns.next()?;
    let version: i32 = columns.next()?;
    let payload = columns.next()?;
    let external_id = columns.next()?;
    let attempts: i32 = columns.next()?;
    let error_kind: Option<String> = columns.next()?;
    let expires_at = columns.time_or_none()?.unwrap_or(DateTime::<Utc>::MAX_UTC);
    let id: Uuid = columns.next()?;
    let at = columns.time()?;
    let trace = columns.next()?;
    Ok(ClaimedItem {
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
        trace,
        ..unread
    })
}
