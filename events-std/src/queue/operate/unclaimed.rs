//! Jobs that nobody who is alive knows.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use events_core::Events;
use serde::Serialize;

use super::stats::{Group, LiveWorker};
use crate::queue::claim::key_of;

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
pub(super) fn among(
    groups: &[Group],
    events: &Events,
    workers: &[LiveWorker],
) -> Vec<UnclaimedJobs> {
    let claimed: HashSet<&str> = workers
        .iter()
        .flat_map(|worker| &worker.claims)
        .map(String::as_str)
        .collect();
    let here: HashSet<String> = events.claimable().iter().map(key_of).collect();
    let key = |group: &Group| format!("{}\n{}\n{}", group.event, group.version, group.listener);
    groups
        .iter()
        .filter(|group| group.is_pending() && !claimed.contains(&*key(group)))
        .map(|group| UnclaimedJobs {
            queue: group.queue.clone(),
            event: group.event.clone(),
            version: group.version,
            listener: group.listener.clone(),
            count: group.count,
            oldest: group.oldest,
            known_here: here.contains(&key(group)),
        })
        .collect()
}
