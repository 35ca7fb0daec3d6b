//! Jobs that nobody who is alive knows.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use events_core::Events;
use serde::Serialize;

use super::stats::{Group, LiveWorker};
use crate::queue::claim::key_of;

/// Pending jobs of one queue, listener, event and version that no worker will claim, of those that are alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnclaimedJobs {
    /// What no worker does.
    pub lack: Lack,
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

/// What jobs lack that no worker will claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lack {
    /// No worker knows the listener, event and version. The jobs wait, for an older or newer program as it may be, and
    /// are parked when they have been due for 7 days, and in as many days in which workers lived none knew them.
    Knowledge,
    /// Workers know the listener, but none of them serves the queue. The jobs wait however long.
    Service,
}

/// The pending jobs that none of `workers` will claim.
pub(super) fn among(
    groups: &[Group],
    events: &Events,
    workers: &[LiveWorker],
) -> Vec<UnclaimedJobs> {
    let here: HashSet<String> = events.claimable().iter().map(key_of).collect();
    let groups = groups.iter().filter(|group| group.is_pending());
    groups
        .filter_map(|group| {
            let key = format!("{}\n{}\n{}", group.event, group.version, group.listener);
            let mut knowing = workers
                .iter()
                .filter(|worker| worker.claims.contains(&key))
                .peekable();
            let lack = if knowing.peek().is_none() {
                Lack::Knowledge
            } else if knowing.any(|worker| worker.queues.contains(&group.queue)) {
                return None;
            } else {
                Lack::Service
            };
            Some(UnclaimedJobs {
                lack,
                queue: group.queue.clone(),
                event: group.event.clone(),
                version: group.version,
                listener: group.listener.clone(),
                count: group.count,
                oldest: group.oldest,
                known_here: here.contains(&key),
            })
        })
        .collect()
}
