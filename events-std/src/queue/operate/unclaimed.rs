//! Jobs that nobody who is alive knows.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use events_core::Events;
use sea_orm::{ConnectionTrait, Statement};
use serde::Serialize;

use super::stats::LiveWorker;
use super::{number, time};
use crate::queue::claim::key_of;
use crate::store::{Store, StoreError};

/// Pending jobs of one listener, event and version that no worker knows, of those that are alive. They wait, for an
/// older or newer program as it may be, and are parked when they have been due for 7 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnclaimedJobs {
    /// The queue.
    pub queue: String,
    /// The event's stored name.
    pub event: String,
    /// The version of the event's wire form.
    pub version: u32,
    /// The listener's stored name.
    pub listener: String,
    /// How many they are.
    pub count: u64,
    /// When the first of them was or will be due.
    pub oldest: DateTime<Utc>,
    /// Whether this program knows the listener: then it could work on them.
    pub known_here: bool,
}

/// The pending jobs that none of `workers` knows.
pub(super) async fn read(
    store: &Store,
    events: &Events,
    workers: &[LiveWorker],
) -> Result<Vec<UnclaimedJobs>, StoreError> {
    let claimed: HashSet<&str> = workers
        .iter()
        .flat_map(|worker| &worker.claims)
        .map(String::as_str)
        .collect();
    let here: HashSet<String> = events.claimable().iter().map(key_of).collect();
    let statement = Statement::from_string(
        store.backend(),
        "SELECT queue, event, version, listener, COUNT(*), MIN(run_at) FROM events_jobs WHERE state = 0 \
         GROUP BY queue, event, version, listener ORDER BY queue, event, listener, version",
    );
    let mut unclaimed = Vec::new();
    for row in store.reader().query_all_raw(statement).await? {
        let version: i32 = row.try_get_by_index(2)?;
        let mut jobs = UnclaimedJobs {
            queue: row.try_get_by_index(0)?,
            event: row.try_get_by_index(1)?,
            version: u32::try_from(version).unwrap_or_default(),
            listener: row.try_get_by_index(3)?,
            count: number(&row, 4)?,
            oldest: time(row.try_get_by_index(5)?),
            known_here: false,
        };
        let key = format!("{}\n{}\n{}", jobs.event, jobs.version, jobs.listener);
        jobs.known_here = here.contains(&key);
        if !claimed.contains(&*key) {
            unclaimed.push(jobs);
        }
    }
    Ok(unclaimed)
}
