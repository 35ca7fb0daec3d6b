//! One turn: the ends of claims and the next claims, in one transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use events_core::Claimable;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::time::Instant;

use super::floor::{Floors, Look};
use crate::queue::alone;
use crate::queue::behind::Behind;
use crate::queue::claim::{self, Claimed, Hold, Terms, Wanted};
use crate::queue::end::{self, Ended};
use crate::queue::handoff::{Begins, Offer};
use crate::store::{self, Store, StoreError};

/// What a worker may claim. Only its id changes, when it was taken for dead and enters itself anew.
pub(super) struct Scope {
    pub(super) worker: i64,
    pub(super) queues: Vec<String>,
    pub(super) limits: BTreeMap<String, usize>,
    /// The keys of its listeners, as a JSON list.
    pub(super) keys: String,
    /// Its listeners as claims read them.
    known_list: String,
    /// What claims ask of jobs of listeners that were renamed.
    in_order: String,
    /// The queues, as a JSON list.
    pub(super) queue_list: String,
    /// Its listeners, in the order of what a job names them by.
    known: Vec<Arc<Claimable>>,
    /// Whether jobs of some keep equal ones away only until they start.
    frees_keys: bool,
    /// Whether jobs of some run in the order of a key.
    pub(super) has_ordered: bool,
}

/// What a job names its listener by.
fn name_of(claimable: &Claimable) -> (&str, u32, &str) {
    let (event, version) = (claimable.event, claimable.version);
    (event, version, &claimable.listener)
}

impl Scope {
    pub(super) fn new(
        backend: DbBackend,
        queues: Vec<String>,
        limits: BTreeMap<String, usize>,
        claimable: Vec<Claimable>,
    ) -> Self {
        let mut known: Vec<_> = claimable.into_iter().map(Arc::new).collect();
        known.sort_by(|a, b| name_of(a).cmp(&name_of(b)));
        let mut own: Vec<String> = known.iter().map(|known| known.queue.to_owned()).collect();
        own.sort();
        own.dedup();
        let keys: Vec<String> = known.iter().map(|known| claim::key_of(known)).collect();
        let queues = if queues.is_empty() { own } else { queues };
        Self {
            worker: 0,
            queue_list: serde_json::to_string(&queues).unwrap_or_else(|_| "[]".to_owned()),
            queues,
            limits,
            keys: serde_json::to_string(&keys).unwrap_or_else(|_| "[]".to_owned()),
            in_order: claim::in_order_with_former(known.iter().map(|known| &**known)),
            known_list: claim::known_list(backend, known.iter().map(|known| &**known)),
            has_ordered: known.iter().any(|known| known.in_order),
            frees_keys: known.iter().any(|known| known.unique_until_start),
            known,
        }
    }

    /// What pushes of this process may hand the worker.
    pub(super) fn offer(&self, store: &Store, begins: Begins) -> Offer {
        Offer::new(store, self.queues.clone(), self.known.clone(), begins)
    }

    /// The keys of its listeners.
    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        self.known.iter().map(|known| claim::key_of(known))
    }

    pub(super) fn knows(&self, key: &str) -> bool {
        self.keys().any(|known| known == key)
    }

    /// What is known of the job's listener.
    pub(super) fn listener(&self, claimed: &Claimed) -> Option<&Arc<Claimable>> {
        let job = &claimed.job;
        let name = (&*job.event, job.version, &*job.listener);
        let found = self
            .known
            .binary_search_by(|known| name_of(known).cmp(&name));
        found.ok().map(|index| &self.known[index])
    }

    /// How many more jobs of a queue may run.
    fn room(&self, queue: &str, running: &BTreeMap<String, usize>) -> usize {
        let limit = self.limits.get(queue).copied().unwrap_or(usize::MAX);
        limit.saturating_sub(running.get(queue).copied().unwrap_or_default())
    }

    pub(super) fn terms(&self, now: DateTime<Utc>) -> Terms<'_> {
        Terms {
            worker: self.worker,
            known: &self.known_list,
            in_order: &self.in_order,
            now,
        }
    }
}

/// What a turn does.
pub(super) struct Todo<'t> {
    pub(super) ended: &'t [Ended],
    /// So many more jobs may run.
    pub(super) free: usize,
    /// How many of each queue do.
    pub(super) running: &'t BTreeMap<String, usize>,
    pub(super) now: DateTime<Utc>,
}

/// Ends claims and takes new ones, in one transaction.
pub(super) async fn turn(
    store: &Store,
    scope: &Scope,
    todo: &Todo<'_>,
    floors: &mut Floors,
    behind: &mut Behind,
) -> Result<Vec<Claimed>, StoreError> {
    let began = Instant::now();
    let wanted: Vec<Wanted<'_>> = if todo.free == 0 {
        Vec::new()
    } else {
        let queues = scope.queues.iter();
        let rooms = queues.map(|queue| (queue, scope.room(queue, todo.running)));
        let rooms = rooms.filter(|(_, room)| *room > 0);
        let wanted = rooms.map(|(queue, room)| Wanted {
            queue,
            limit: room.min(todo.free),
            // What is let go on has been due for long.
            floor: floors
                .of(queue, began)
                .filter(|_| !behind.any())
                .unwrap_or(i64::MIN),
        });
        wanted.collect()
    };
    let at_once = if behind.any() {
        None
    } else {
        at_once(store, scope, todo, &wanted).await?
    };
    let claimed = match at_once {
        Some(claimed) => claimed,
        None => in_transaction(store, scope, todo, &wanted, behind).await?,
    };
    for Wanted { queue, floor, .. } in &wanted {
        let mut found = claimed.iter().filter(|claimed| claimed.job.queue == *queue);
        if claimed.len() >= todo.free && found.next().is_none() {
            // Others took all places before it came to this one.
            continue;
        }
        let look = Look {
            from: Some(*floor).filter(|floor| *floor > i64::MIN),
            due: todo.now,
            began,
            ended: Instant::now(),
            claimed: &claimed,
        };
        floors.found(queue, &look);
    }
    Ok(claimed)
}

async fn in_transaction(
    store: &Store,
    scope: &Scope,
    todo: &Todo<'_>,
    wanted: &[Wanted<'_>],
    behind: &mut Behind,
) -> Result<Vec<Claimed>, StoreError> {
    let transaction = store.begin().await?;
    end::write(&transaction, todo.ended, todo.now).await?;
    let mut claimed = Vec::new();
    if !wanted.is_empty() {
        if behind.any() {
            behind.release(&transaction, &scope.terms(todo.now)).await?;
        }
        claimed = claim::claim(&transaction, &scope.terms(todo.now), wanted, todo.free).await?;
    }
    free_keys(&transaction, scope, &claimed).await?;
    transaction.commit().await?;
    Ok(claimed)
}

/// The turn by one statement, where Postgres can: then there is neither a begin nor a commit to wait for. None: it takes
/// several.
async fn at_once(
    store: &Store,
    scope: &Scope,
    todo: &Todo<'_>,
    wanted: &[Wanted<'_>],
) -> Result<Option<Vec<Claimed>>, StoreError> {
    if store.backend() != DbBackend::Postgres || scope.frees_keys || wanted.is_empty() {
        return Ok(None);
    }
    let done = match end::all_done(todo.ended) {
        Some(mut done) if done.len() <= 1 => done.pop(),
        _ => return Ok(None),
    };
    let (writer, terms, free) = (store.writer(), scope.terms(todo.now), todo.free);
    let claimed = match done {
        Some(done) => claim::finish_and_claim(writer, &terms, &done, wanted, free).await?,
        None => claim::claim(writer, &terms, wanted, free).await?,
    };
    Ok(Some(claimed))
}

/// Jobs that keep equal ones away until they start keep nobody away any more.
async fn free_keys(
    connection: &impl ConnectionTrait,
    scope: &Scope,
    claimed: &[Claimed],
) -> Result<(), StoreError> {
    let started: Vec<String> = claimed
        .iter()
        .filter(|claimed| {
            let listener = scope.listener(claimed);
            claimed.job.unique_key.is_some()
                && listener.is_some_and(|listener| listener.unique_until_start)
        })
        .map(|claimed| claimed.hold.id.to_string())
        .collect();
    if !started.is_empty() {
        let free = format!(
            "UPDATE events_jobs SET unique_key = NULL WHERE id IN ({})",
            started.join(", ")
        );
        connection.execute_unprepared(&free).await?;
    }
    Ok(())
}

/// Takes a job that must run alone.
pub(super) async fn turn_alone(
    store: &Store,
    scope: &Scope,
    now: DateTime<Utc>,
) -> Result<Vec<Claimed>, StoreError> {
    if !alone_waits(store, scope, now).await? {
        return Ok(Vec::new());
    }
    let terms = scope.terms(now);
    let transaction = store.begin().await?;
    let claimed = alone::claim(&transaction, &terms, &scope.queue_list).await?;
    free_keys(&transaction, scope, &claimed).await?;
    transaction.commit().await?;
    Ok(claimed)
}

/// Whether a job that must run alone was due at this time.
pub(super) async fn alone_waits(
    store: &Store,
    scope: &Scope,
    due: DateTime<Utc>,
) -> Result<bool, StoreError> {
    // Nearly always there is none, which a small index tells at once.
    let any = store
        .reader()
        .query_one_raw(Statement::from_string(
            store.backend(),
            "SELECT 1 FROM events_jobs WHERE state = 0 AND alone LIMIT 1",
        ))
        .await?;
    if any.is_none() {
        return Ok(false);
    }
    let terms = scope.terms(due);
    Ok(alone::waits(store.reader(), &terms, &scope.queue_list).await?)
}

/// The claims that the store has as this worker's own, but for those that it knows of: a claim may have been committed
/// although the commit failed. Those that a transaction has locked, whose end is under way or was never heard of, are left
/// for later.
pub(super) async fn unknown_claims(
    store: &Store,
    scope: &Scope,
    known: &HashSet<Hold>,
) -> Result<Vec<Hold>, StoreError> {
    let sql = format!(
        "SELECT id, fence FROM events_jobs WHERE state = 1 AND worker = $1{}",
        store::skip_locked(store.writer())
    );
    let rows = store::rows(store.writer(), sql, [scope.worker.into()]).await?;
    let mut unknown = Vec::new();
    for row in rows {
        let hold = Hold {
            id: row.try_get_by_index(0)?,
            fence: row.try_get_by_index(1)?,
        };
        if !known.contains(&hold) {
            unknown.push(hold);
        }
    }
    Ok(unknown)
}

/// Whether a job that this worker may claim now was due at this time.
pub(super) async fn anything_due(
    store: &Store,
    scope: &Scope,
    due: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let terms = scope.terms(due);
    for queue in &scope.queues {
        if claim::waits(store.writer(), &terms, queue).await? {
            return Ok(true);
        }
    }
    alone_waits(store, scope, due).await
}

/// Whether a job that this worker may claim is pending or running anywhere.
pub(super) async fn anything_left(store: &Store, scope: &Scope) -> Result<bool, StoreError> {
    let (texts, newline, cast) = if store.backend() == DbBackend::Postgres {
        ("SELECT json_array_elements_text", "E'\\n'", "::json")
    } else {
        ("SELECT value FROM json_each", "char(10)", "")
    };
    let statement = format!(
        "SELECT 1 FROM events_jobs WHERE state IN (0, 1) AND queue IN ({texts}($1{cast})) \
         AND event || {newline} || version || {newline} || listener IN ({texts}($2{cast})) LIMIT 1"
    );
    let row = store
        .writer()
        .query_one_raw(Statement::from_sql_and_values(
            store.backend(),
            statement,
            [scope.queue_list.as_str().into(), scope.keys.as_str().into()],
        ))
        .await?;
    Ok(row.is_some())
}
