//! One turn: the ends of claims and the next claims, in one transaction.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use events_core::Claimable;
use sea_orm::{ConnectionTrait, Statement};

use crate::queue::claim::{self, Claimed, Terms};
use crate::queue::end::{self, Ended};
use crate::store::{Store, StoreError};

/// What a worker may claim: fixed when it starts.
pub(super) struct Scope {
    pub(super) worker: i64,
    pub(super) queues: Vec<String>,
    pub(super) limits: BTreeMap<String, usize>,
    /// The keys of its listeners, as a JSON list.
    pub(super) keys: String,
    known: BTreeMap<String, Claimable>,
}

impl Scope {
    pub(super) fn new(
        queues: Vec<String>,
        limits: BTreeMap<String, usize>,
        claimable: Vec<Claimable>,
    ) -> Self {
        let known: BTreeMap<String, Claimable> = claimable
            .into_iter()
            .map(|claimable| (claim::key_of(&claimable), claimable))
            .collect();
        let mut own: Vec<String> = known.values().map(|known| known.queue.to_owned()).collect();
        own.sort();
        own.dedup();
        let keys: Vec<&String> = known.keys().collect();
        Self {
            worker: 0,
            queues: if queues.is_empty() { own } else { queues },
            limits,
            keys: serde_json::to_string(&keys).unwrap_or_else(|_| "[]".to_owned()),
            known,
        }
    }

    /// What is known of the job's listener.
    pub(super) fn listener(&self, claimed: &Claimed) -> Option<&Claimable> {
        let job = &claimed.job;
        self.known
            .get(&format!("{}\n{}\n{}", job.event, job.version, job.listener))
    }

    /// How many more jobs of a queue may run.
    fn room(&self, queue: &str, running: &BTreeMap<String, usize>) -> usize {
        let limit = self.limits.get(queue).copied().unwrap_or(usize::MAX);
        limit.saturating_sub(running.get(queue).copied().unwrap_or_default())
    }
}

/// Ends claims and takes at most `free` new ones, in one transaction. While `alone`, nothing else may run.
pub(super) async fn turn(
    store: &Store,
    scope: &Scope,
    ended: &[Ended],
    free: usize,
    running: &BTreeMap<String, usize>,
    now: DateTime<Utc>,
) -> Result<Vec<Claimed>, StoreError> {
    let terms = Terms {
        worker: scope.worker,
        keys: &scope.keys,
        now,
    };
    let transaction = store.begin().await?;
    end::write(&transaction, ended, now).await?;
    let mut claimed = Vec::new();
    for queue in &scope.queues {
        let limit = scope.room(queue, running).min(free - claimed.len());
        if limit > 0 {
            claimed.extend(claim::claim(&transaction, &terms, queue, limit).await?);
        }
    }
    transaction.commit().await?;
    Ok(claimed)
}

/// Takes a job that must run alone.
pub(super) async fn turn_alone(
    store: &Store,
    scope: &Scope,
    now: DateTime<Utc>,
) -> Result<Vec<Claimed>, StoreError> {
    let waits = store
        .reader()
        .query_one_raw(Statement::from_sql_and_values(
            store.backend(),
            "SELECT 1 FROM events_jobs WHERE state = 0 AND alone AND run_at <= $1 LIMIT 1",
            [now.timestamp_millis().into()],
        ))
        .await?;
    if waits.is_none() {
        return Ok(Vec::new());
    }
    let queues = serde_json::to_string(&scope.queues).unwrap_or_else(|_| "[]".to_owned());
    let terms = Terms {
        worker: scope.worker,
        keys: &scope.keys,
        now,
    };
    let transaction = store.begin().await?;
    let claimed = claim::claim_alone(&transaction, &terms, &queues).await?;
    transaction.commit().await?;
    Ok(claimed)
}

/// Gives claims back, with their attempts.
pub(super) async fn release(
    store: &Store,
    claims: &[Claimed],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let transaction = store.begin().await?;
    for claimed in claims {
        end::release(&transaction, claimed, now).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Whether a job that this worker may claim is pending or running anywhere.
pub(super) async fn anything_left(store: &Store, scope: &Scope) -> Result<bool, StoreError> {
    let (texts, newline) = if store.backend() == sea_orm::DbBackend::Postgres {
        ("SELECT json_array_elements_text", "E'\\n'")
    } else {
        ("SELECT value FROM json_each", "char(10)")
    };
    let cast = if store.backend() == sea_orm::DbBackend::Postgres {
        "::json"
    } else {
        ""
    };
    let queues = serde_json::to_string(&scope.queues).unwrap_or_else(|_| "[]".to_owned());
    let statement = format!(
        "SELECT 1 FROM events_jobs WHERE state IN (0, 1) AND queue IN ({texts}($1{cast})) \
         AND event || {newline} || version || {newline} || listener IN ({texts}($2{cast})) LIMIT 1"
    );
    let row = store
        .writer()
        .query_one_raw(Statement::from_sql_and_values(
            store.backend(),
            statement,
            [queues.into(), scope.keys.as_str().into()],
        ))
        .await?;
    Ok(row.is_some())
}
