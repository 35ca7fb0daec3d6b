//! How the queues stand.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use events_core::Events;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::unclaimed::{self, UnclaimedJobs};
use super::{number, time};
use crate::queue::lock::{Life, life_of};
use crate::store::{Store, StoreError};

/// How the queues stand: see [`Store::queue_stats`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueStats {
    /// When it was looked at.
    pub at: DateTime<Utc>,
    /// The queues that have jobs, by name.
    pub queues: Vec<QueueDepth>,
    /// The workers that are alive, the oldest first.
    pub workers: Vec<LiveWorker>,
    /// Jobs that no worker that is alive will claim.
    pub unclaimed: Vec<UnclaimedJobs>,
}

/// How one queue stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueDepth {
    /// The queue's name.
    pub queue: String,
    /// Pending jobs that may run now.
    pub due: u64,
    /// Pending jobs whose time is still to come.
    pub waiting: u64,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that have failed for good.
    pub parked: u64,
    /// Jobs that are done and still kept.
    pub done: u64,
    /// Since when the oldest of the due jobs has been due.
    pub oldest_due: Option<DateTime<Utc>>,
    /// Attempts that have started, of all these jobs.
    pub attempts: u64,
}

impl QueueDepth {
    /// Jobs that are pending, due or not.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.due + self.waiting
    }
}

/// A worker that is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LiveWorker {
    /// Its number in the store.
    pub number: i64,
    /// Its name, which others may have too.
    pub name: String,
    /// The machine.
    pub host: String,
    /// The process on that machine.
    pub process: i64,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Its last heartbeat.
    pub heartbeat_at: DateTime<Utc>,
    /// How many jobs it runs.
    pub running: u64,
    /// The queues that it serves.
    pub queues: Vec<String>,
    /// The keys of the listeners that it knows.
    #[serde(skip)]
    pub(super) claims: HashSet<String>,
}

impl Store {
    /// How the queues stand. The time is told by the dispatcher's clock.
    ///
    /// It reads the whole table, a second or three for two million jobs: it is for people, and for monitors that ask
    /// every minute or so.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn queue_stats(&self, events: &Events) -> Result<QueueStats, StoreError> {
        let at = events.now();
        let workers = live_workers(self, at).await?;
        let groups = groups(self, at).await?;
        Ok(QueueStats {
            at,
            queues: depths(&groups),
            unclaimed: unclaimed::among(&groups, events, &workers),
            workers,
        })
    }
}

/// Jobs of one queue, event, version, listener and state.
pub(super) struct Group {
    pub(super) queue: String,
    pub(super) event: String,
    pub(super) version: u32,
    pub(super) listener: String,
    pub(super) state: i32,
    pub(super) count: u64,
    pub(super) oldest: DateTime<Utc>,
    due: u64,
    attempts: u64,
}

impl Group {
    fn read(row: &QueryResult) -> Result<Self, StoreError> {
        let version: i32 = row.try_get_by_index(2)?;
        Ok(Self {
            queue: row.try_get_by_index(0)?,
            event: row.try_get_by_index(1)?,
            version: u32::try_from(version).unwrap_or_default(),
            listener: row.try_get_by_index(3)?,
            state: row.try_get_by_index(4)?,
            count: number(row, 5)?,
            oldest: time(row.try_get_by_index(6)?),
            due: number(row, 7)?,
            attempts: number(row, 8)?,
        })
    }

    pub(super) fn is_pending(&self) -> bool {
        self.state == 0
    }
}

/// All jobs. One statement, so that none is counted twice or missed while it moves; and one pass over the table, which
/// costs less than the indexes of the states with a look into the table for each row.
async fn groups(store: &Store, now: DateTime<Utc>) -> Result<Vec<Group>, StoreError> {
    let statement = Statement::from_sql_and_values(
        store.backend(),
        "SELECT queue, event, version, listener, CAST(state AS INTEGER), COUNT(*), MIN(run_at), \
         SUM(CASE WHEN run_at <= $1 THEN 1 ELSE 0 END), SUM(attempts) FROM events_jobs \
         GROUP BY queue, event, version, listener, state ORDER BY queue, event, listener, version, state",
        [now.timestamp_millis().into()],
    );
    let rows = store.reader().query_all_raw(statement).await?;
    rows.iter().map(Group::read).collect()
}

fn depths(groups: &[Group]) -> Vec<QueueDepth> {
    let mut depths: BTreeMap<&str, QueueDepth> = BTreeMap::new();
    for group in groups {
        let depth = depths.entry(&group.queue).or_insert_with(|| QueueDepth {
            queue: group.queue.clone(),
            ..QueueDepth::default()
        });
        match group.state {
            0 => {
                depth.due += group.due;
                depth.waiting += group.count - group.due;
                let since = (group.due > 0).then_some(group.oldest);
                depth.oldest_due = depth.oldest_due.into_iter().chain(since).min();
            }
            1 => depth.running += group.count,
            2 => depth.done += group.count,
            _ => depth.parked += group.count,
        }
        depth.attempts += group.attempts;
    }
    depths.into_values().collect()
}

async fn live_workers(store: &Store, now: DateTime<Utc>) -> Result<Vec<LiveWorker>, StoreError> {
    let sql = "SELECT w.id, w.name, w.host, w.process, w.started_at, w.heartbeat_at, w.claims, w.boot, w.lock_path, \
               w.lock_device, w.lock_inode, w.queues, w.lapse, (SELECT COUNT(*) FROM events_jobs AS j WHERE j.state = 1 AND j.worker = w.id) \
               FROM events_workers AS w ORDER BY w.id";
    let mut live = Vec::new();
    let statement = Statement::from_string(store.backend(), sql);
    for row in store.reader().query_all_raw(statement).await? {
        let worker = read_worker(&row)?;
        let lives = match life(&row)? {
            Life::Lives => true,
            Life::Dead => false,
            // Its lock cannot be seen from here.
            Life::Unknown => {
                let lapse: i64 = row.try_get_by_index(12)?;
                now - worker.heartbeat_at <= TimeDelta::milliseconds(lapse)
            }
        };
        if lives {
            live.push(worker);
        }
    }
    Ok(live)
}

fn read_worker(row: &QueryResult) -> Result<LiveWorker, StoreError> {
    Ok(LiveWorker {
        number: row.try_get_by_index(0)?,
        name: row.try_get_by_index(1)?,
        host: row.try_get_by_index(2)?,
        process: row.try_get_by_index(3)?,
        started_at: time(row.try_get_by_index(4)?),
        heartbeat_at: time(row.try_get_by_index(5)?),
        claims: list(row, 6)?,
        queues: list(row, 11)?,
        running: number(row, 13)?,
    })
}

fn list<L: DeserializeOwned>(row: &QueryResult, column: usize) -> Result<L, DbErr> {
    let text: String = row.try_get_by_index(column)?;
    serde_json::from_str(&text).map_err(|error| DbErr::Json(error.to_string()))
}

/// What the worker's lock tells of it.
fn life(row: &QueryResult) -> Result<Life, DbErr> {
    let boot: String = row.try_get_by_index(7)?;
    let path: Option<String> = row.try_get_by_index(8)?;
    let device: Option<i64> = row.try_get_by_index(9)?;
    let inode: Option<i64> = row.try_get_by_index(10)?;
    Ok(match (path, device, inode) {
        (Some(path), Some(device), Some(inode)) => {
            life_of(&boot, &PathBuf::from(path), (device, inode))
        }
        _ => Life::Unknown,
    })
}
