//! The end of a claim. Every write here matches id, fence and the processing state: who lost the claim changes nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Value};
use serde::Serialize;

use super::claim::ClaimedItem;
use super::later::supersede_failed;
use crate::integration::{Integration, Within};
use crate::queue::{Held, Hold};
use crate::store::{self, StoreError, Tx};
use crate::sync::decide::MAX_ATTEMPTS;
use crate::sync::rows::{self, ITEM};
use crate::sync::{SyncItemError, SyncItemFailed, SyncRunError};

/// What is kept of an error's text, in characters.
const ERROR_LENGTH: usize = 1_000;

/// A claim that has ended, and how.
#[derive(Clone, Debug)]
pub(crate) struct EndedItem {
    pub(crate) hold: Hold,
    pub(crate) run_id: i64,
    pub(crate) integration_id: i64,
    pub(crate) end: ItemEnd,
}

/// How a claim ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ItemEnd {
    Success,
    /// The next attempt may start at this time.
    Retry {
        at: DateTime<Utc>,
        error: String,
        /// Whether this attempt counts.
        counts: bool,
        /// Whether it must run alone then: it killed its process.
        alone: bool,
    },
    Failed(SyncItemError),
    /// A later run has done the work: this item.
    Superseded(i64),
    /// It was not run to its end: the attempt does not count.
    GivenBack,
    /// Whether it is written is not known, as the database fell silent: if it is not, the claim is still held.
    Unknown,
}

impl EndedItem {
    pub(crate) fn of(claimed: &ClaimedItem, end: ItemEnd) -> Self {
        Self {
            hold: claimed.hold,
            run_id: claimed.run_id,
            integration_id: claimed.integration_id,
            end,
        }
    }

    /// Whether the store has to tell how it ended.
    pub(super) fn is_unknown(&self) -> bool {
        self.end == ItemEnd::Unknown
    }
}

#[derive(Serialize)]
struct Pair {
    i: i64,
    f: i64,
}

fn list(holds: &[Hold]) -> Result<Value, DbErr> {
    let held: Vec<Pair> = holds
        .iter()
        .map(|hold| Pair {
            i: hold.id,
            f: hold.fence,
        })
        .collect();
    let list = serde_json::to_string(&held).map_err(|error| DbErr::Json(error.to_string()))?;
    Ok(list.into())
}

/// Ids and fences, as a table.
fn held(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        "json_to_recordset($1::json) AS held (i bigint, f bigint)"
    } else {
        "(SELECT value ->> 'i' AS i, value ->> 'f' AS f FROM json_each($1)) AS held"
    }
}

/// What is set where an item ends well at this time.
fn done_at(now: &str) -> String {
    format!("state = 2, error = NULL, completed_at = {now}")
}

fn all_to(set: &str, now: &str) -> String {
    format!("UPDATE events_sync_items SET {set}, worker = NULL, changed_at = {now}")
}

/// What ends items well: those that [`Held::rows`] names with this parameter and the next one. The parameter `now` has the
/// time, in milliseconds.
pub(super) fn done(backend: DbBackend, now: u8, held: u8) -> String {
    let now = format!("${now}");
    let done = all_to(&done_at(&now), &now);
    format!("{done} WHERE {}", Held::rows(backend, held))
}

/// Claims that end well, of one run and one fence.
pub(super) struct AllWell {
    pub(super) held: Held,
    pub(super) run_id: i64,
    pub(super) integration_id: i64,
}

impl AllWell {
    /// The ends, if that is all there is of them.
    pub(super) fn of(ended: &[EndedItem]) -> Option<Self> {
        let first = ended.first()?;
        let alike = |item: &EndedItem| item.end == ItemEnd::Success && item.run_id == first.run_id;
        let mut held = Held::of(ended.iter().map(|item| item.hold));
        if held.len() > 1 || !ended.iter().all(alike) {
            return None;
        }
        Some(Self {
            held: held.pop()?,
            run_id: first.run_id,
            integration_id: first.integration_id,
        })
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// How many claims that end their items were still held.
    pub(crate) ended: usize,
    /// Whether a run may have no item any more that has not ended.
    pub(crate) complete: bool,
}

/// Writes the ends of claims, those that need no words of their own in one statement for each kind, and makes the
/// reconciling of their runs due.
pub(crate) async fn write(
    within: &Within<'_>,
    ended: &[EndedItem],
) -> Result<Written, SyncRunError> {
    let (tx, now) = (within.tx(), within.now());
    let mut touched = BTreeMap::new();
    let (mut success, mut given_back) = (Vec::new(), Vec::new());
    for item in ended {
        match &item.end {
            ItemEnd::Success => success.push(item.hold),
            ItemEnd::GivenBack => given_back.push(item.hold),
            ItemEnd::Unknown => {}
            ItemEnd::Retry {
                at,
                error,
                counts,
                alone,
            } => {
                let back = if *counts {
                    ""
                } else {
                    ", attempts = attempts - 1"
                };
                let alone = if *alone { "TRUE" } else { "FALSE" };
                let to = format!(
                    "state = 0, run_at = $4, error = $5, error_kind = NULL, alone = {alone}{back}"
                );
                let values = [store::time(*at), text(error).into()];
                set(tx, &to, item.hold, now, values, "1").await?;
            }
            ItemEnd::Superseded(by) => {
                let to = "state = 4, superseded_by = $4, completed_at = $3";
                let ended = set(tx, to, item.hold, now, [(*by).into()], "1").await?;
                note(&mut touched, item.run_id, ended.len());
            }
            ItemEnd::Failed(error) => {
                if fail(within, item, error).await? {
                    note(&mut touched, item.run_id, 1);
                }
            }
        }
    }
    let given = "state = 0, attempts = attempts - 1";
    set_all(tx, given, given_back, now, &[]).await?;
    let any_success = !success.is_empty();
    let done = done_at("$3");
    for (run_id, count) in set_all(tx, &done, success, now, &success_runs(ended)).await? {
        note(&mut touched, run_id, count);
    }
    if any_success {
        for run_id in supersede(tx, ended, now).await? {
            note(&mut touched, run_id, 0);
        }
    }
    Ok(Written {
        ended: touched.values().sum(),
        complete: make_due(tx, &touched, now).await?,
    })
}

fn note(touched: &mut BTreeMap<i64, usize>, run_id: i64, count: usize) {
    *touched.entry(run_id).or_default() += count;
}

/// The runs of the items that ended well.
fn success_runs(ended: &[EndedItem]) -> Vec<i64> {
    let done = ended.iter().filter(|item| item.end == ItemEnd::Success);
    let mut runs: Vec<i64> = done.map(|item| item.run_id).collect();
    runs.sort_unstable();
    runs.dedup();
    runs
}

/// Sets what `set` says for all claims that are still held; with the number of each of these runs.
async fn set_all(
    tx: &Tx,
    set: &str,
    holds: Vec<Hold>,
    now: DateTime<Utc>,
    runs: &[i64],
) -> Result<BTreeMap<i64, usize>, StoreError> {
    let backend = tx.get_database_backend();
    let mut counts = BTreeMap::new();
    for held in Held::of(holds) {
        let [ids, fence] = held.values(backend);
        let values = [ids, fence, store::time(now)];
        let sql = format!("{} WHERE {}", all_to(set, "$3"), Held::rows(backend, 1));
        match runs {
            // Nearly always they are of one run, and the count says all.
            [] | [_] => {
                let count = store::execute(tx, sql, values).await?;
                if let [run] = runs {
                    note(
                        &mut counts,
                        *run,
                        usize::try_from(count).unwrap_or(usize::MAX),
                    );
                }
            }
            _ => {
                for row in store::rows(tx, format!("{sql} RETURNING run_id"), values).await? {
                    note(&mut counts, row.try_get_by_index(0)?, 1);
                }
            }
        }
    }
    Ok(counts)
}

/// Sets what `set` says from `$4` on, if the claim is still held.
async fn set(
    tx: &Tx,
    set: &str,
    hold: Hold,
    now: DateTime<Utc>,
    values: impl IntoIterator<Item = Value>,
    returning: &str,
) -> Result<Vec<sea_orm::QueryResult>, StoreError> {
    let mut all: Vec<Value> = vec![hold.id.into(), hold.fence.into(), store::time(now)];
    all.extend(values);
    let set = all_to(set, "$3");
    let sql = format!("{set} WHERE id = $1 AND fence = $2 AND state = 1 RETURNING {returning}");
    store::rows(tx, sql, all).await
}

/// Ends an item as failed, and tells of it, unless a later run has done its work meanwhile. Whether the claim was still held.
async fn fail(
    within: &Within<'_>,
    item: &EndedItem,
    error: &SyncItemError,
) -> Result<bool, SyncRunError> {
    let error = SyncItemError {
        kind: error.kind,
        message: text(&error.message),
    };
    // A claim that only ends it is no attempt.
    let to = format!(
        "state = 3, alone = FALSE, error_kind = $4, error = $5, completed_at = $3, \
         attempts = CASE WHEN attempts > {MAX_ATTEMPTS} THEN {MAX_ATTEMPTS} ELSE attempts END"
    );
    let values = [error.kind.to_string().into(), error.message.as_str().into()];
    let rows = set(within.tx(), &to, item.hold, within.now(), values, ITEM).await?;
    let Some(row) = rows.first() else {
        return Ok(false);
    };
    let item = rows::read_item(row)?;
    if !supersede_failed(within.tx(), &item).await? {
        tell_failed(within, item, error).await?;
    }
    Ok(true)
}

/// Fires the event of an item whose row is failed already.
pub(in crate::sync) async fn tell_failed(
    within: &Within<'_>,
    item: crate::sync::IntegrationSyncItem,
    error: SyncItemError,
) -> Result<(), SyncRunError> {
    let found: Option<Integration> = within.integrations().find(item.integration_id).await?;
    // Deleted meanwhile: the item goes with it, and there is nobody to tell of.
    if let Some(integration) = found {
        let event = SyncItemFailed {
            integration,
            item,
            error,
        };
        within.fire(&event).await?;
    }
    Ok(())
}

/// Marks failed items of earlier runs whose work these have done: a late retry of theirs would put old data over new.
/// The runs that they are of.
async fn supersede(
    tx: &Tx,
    ended: &[EndedItem],
    now: DateTime<Utc>,
) -> Result<Vec<i64>, StoreError> {
    let mut integrations: Vec<i64> = ended.iter().map(|item| item.integration_id).collect();
    integrations.sort_unstable();
    integrations.dedup();
    let mut any = false;
    for id in integrations {
        // Nearly always there is none, which the index tells at once.
        let sql = "SELECT 1 FROM events_sync_items WHERE state = 3 AND integration_id = $1 LIMIT 1";
        any |= store::row(tx, sql, [id.into()]).await?.is_some();
    }
    if !any {
        return Ok(Vec::new());
    }
    let done = ended.iter().filter(|item| item.end == ItemEnd::Success);
    let holds: Vec<Hold> = done.map(|item| item.hold).collect();
    let backend = tx.get_database_backend();
    let sql = format!(
        "UPDATE events_sync_items SET state = 4, superseded_by = done.id, completed_at = $2, changed_at = $2 \
         FROM (SELECT n.id, n.run_id, n.integration_id, n.event_name, n.external_id FROM {} \
         JOIN events_sync_items AS n ON n.id = held.i AND n.fence = held.f AND n.state = 2 \
         AND n.external_id IS NOT NULL) AS done \
         WHERE events_sync_items.state = 3 AND events_sync_items.integration_id = done.integration_id \
         AND events_sync_items.event_name = done.event_name AND events_sync_items.external_id = done.external_id \
         AND events_sync_items.run_id < done.run_id RETURNING events_sync_items.run_id",
        held(backend)
    );
    let rows = store::rows(tx, sql, [list(&holds)?, store::time(now)]).await?;
    let mut runs = Vec::new();
    for row in &rows {
        runs.push(row.try_get_by_index(0)?);
    }
    Ok(runs)
}

/// Makes the reconciling of runs due, and counts what ended. It comes last in its transaction: whoever reconciles waits
/// for this lock, and so sees what ended here. Whether a run may have no item any more that has not ended.
pub(in crate::sync) async fn make_due(
    tx: &Tx,
    touched: &BTreeMap<i64, usize>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let mut complete = false;
    // In the order of their ids, so that two acknowledgements do not wait for each other.
    for (run_id, count) in touched {
        let sql = "UPDATE events_sync_runs SET reconcile_due = TRUE, finished = finished + $2, updated_at = $3 \
                   WHERE id = $1 RETURNING finished >= enumerated";
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        let values = [(*run_id).into(), count.into(), store::time(now)];
        if let Some(row) = store::row(tx, sql, values).await? {
            complete |= row.try_get_by_index::<bool>(0)?;
        }
    }
    Ok(complete)
}

/// An error's text as it is kept. Postgres cannot hold a NUL.
pub(in crate::sync) fn text(message: &str) -> String {
    let kept = message.chars().filter(|character| *character != '\0');
    kept.take(ERROR_LENGTH).collect()
}
