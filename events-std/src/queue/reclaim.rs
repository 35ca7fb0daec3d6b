//! What is done for a worker that died: its jobs are claimed again.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};
use uuid::Uuid;

use super::claim::{self, Claimed};
use super::lock::{Life, life_of};
use crate::store::{self, Store, StoreError};

/// The tables whose rows workers claim. What a claim needs is named alike in all of them.
const CLAIMED: [&str; 2] = ["events_jobs", "events_sync_items"];

/// Another worker, as its row tells.
struct Other {
    id: i64,
    boot: String,
    lock: Option<(PathBuf, (i64, i64))>,
    heartbeat_at: i64,
    /// After how long without a sign of life it wants to be taken for dead.
    lapse: Duration,
    /// What workers of one process share.
    process: (Option<Uuid>, String, String, i64),
}

impl Other {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let path: Option<String> = row.try_get_by_index(2)?;
        let device: Option<i64> = row.try_get_by_index(3)?;
        let inode: Option<i64> = row.try_get_by_index(4)?;
        let boot: String = row.try_get_by_index(1)?;
        let lapse: i64 = row.try_get_by_index(8)?;
        Ok(Self {
            id: row.try_get_by_index(0)?,
            lock: match (path, device, inode) {
                (Some(path), Some(device), Some(inode)) => Some((path.into(), (device, inode))),
                _ => None,
            },
            heartbeat_at: row.try_get_by_index(5)?,
            process: (
                row.try_get_by_index(9)?,
                row.try_get_by_index(6)?,
                boot.clone(),
                row.try_get_by_index(7)?,
            ),
            lapse: Duration::from_millis(lapse.unsigned_abs()),
            boot,
        })
    }
}

/// The look for orphans may take this part of the time: while Postgres keeps old versions of rows, it steps over all jobs
/// that have run since.
const PART: u32 = 20;

/// No gap between two looks is long that is shorter than this.
const LONG_GAP: Duration = Duration::from_millis(1_500);

/// What a worker has seen of the others: each one's heartbeat, and since when it has not changed. Only this machine's
/// own steady clock counts, so that clocks that differ, or are set, make nobody dead. While the database is away, or
/// locked, nobody can show life: such time does not count.
#[derive(Default)]
pub(super) struct Watch {
    seen: HashMap<i64, (i64, Instant)>,
    /// When it last looked at the others.
    looked: Option<Instant>,
    /// When it may look for orphans again.
    orphans: Option<Instant>,
}

impl Watch {
    /// The database failed: how long the others showed no life tells nothing.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Looks at the others at this time: those that are here, and how long ago the look before was.
    fn look(&mut self, others: &[Other], now: Instant) -> Duration {
        self.seen
            .retain(|id, _| others.iter().any(|other| other.id == *id));
        let before = self.looked.replace(now);
        before.map_or(Duration::ZERO, |before| now.duration_since(before))
    }

    fn is_dead(&mut self, other: &Other, now: Instant, gap: Duration) -> bool {
        let by_lock = other.lock.as_ref().map_or(Life::Unknown, |(path, place)| {
            life_of(&other.boot, path, *place)
        });
        let seen = self
            .seen
            .entry(other.id)
            .or_insert((other.heartbeat_at, now));
        // What kept this worker from looking for so long may have kept the other from beating.
        if seen.0 != other.heartbeat_at || gap > LONG_GAP.max(other.lapse / 2) {
            *seen = (other.heartbeat_at, now);
        }
        // A process that hangs, or is stopped, keeps its lock, but not its jobs.
        by_lock == Life::Dead || now.duration_since(seen.1) > other.lapse
    }
}

/// Takes over from dead workers. A job that ran alone, because its process had died before, and now again, is held by
/// `me` from now on, and given back here: its attempt is spent; so is that of an item that ran alone, which is marked as
/// crashed. All others get theirs back, and run alone the next time.
pub(super) async fn reclaim(
    store: &Store,
    me: i64,
    watch: &mut Watch,
    now: DateTime<Utc>,
) -> Result<Vec<Claimed>, StoreError> {
    let rows = store
        .reader()
        .query_all_raw(Statement::from_string(
            store.backend(),
            "SELECT id, boot, lock_path, lock_device, lock_inode, heartbeat_at, host, process, lapse, \
             process_uid FROM events_workers",
        ))
        .await?;
    let others = rows
        .iter()
        .map(Other::read)
        .collect::<Result<Vec<_>, _>>()?;
    let looked = Instant::now();
    let gap = watch.look(&others, looked);
    let mut processes: BTreeMap<_, (Vec<&Other>, bool)> = BTreeMap::new();
    for other in &others {
        let (dead, lives) = processes.entry(&other.process).or_default();
        if other.id != me && watch.is_dead(other, looked, gap) {
            dead.push(other);
        } else {
            *lives = true;
        }
    }
    let mut crashed = Vec::new();
    for (dead, lives) in processes.values() {
        if !dead.is_empty() {
            crashed.extend(take_over(store, me, dead, *lives, now).await?);
        }
    }
    let began = Instant::now();
    if watch.orphans.is_none_or(|at| began >= at) {
        release_orphans(store, now).await?;
        watch.orphans = Some(Instant::now() + began.elapsed() * PART);
    }
    Ok(crashed)
}

/// Takes over from the dead workers of one process, which, if another worker of it lives, has not died: its worker was
/// dropped.
async fn take_over(
    store: &Store,
    me: i64,
    dead: &[&Other],
    process_lives: bool,
    now: DateTime<Utc>,
) -> Result<Vec<Claimed>, StoreError> {
    let backend = store.backend();
    let transaction = store.begin().await?;
    let mut taken = Vec::new();
    for other in dead {
        // Whoever deletes the row takes over; a worker that showed life meanwhile keeps it.
        let deleted = transaction
            .execute_raw(Statement::from_sql_and_values(
                backend,
                "DELETE FROM events_workers WHERE id = $1 AND heartbeat_at = $2",
                [other.id.into(), other.heartbeat_at.into()],
            ))
            .await?;
        if deleted.rows_affected() == 1 {
            taken.push(*other);
        }
    }
    let in_hand = format!("state = 1 AND worker IN ({})", list(&taken));
    let mut running = 0;
    for table in CLAIMED {
        let ids = format!("SELECT id FROM {table} WHERE {in_hand}");
        let rows = Statement::from_string(backend, ids);
        running += transaction.query_all_raw(rows).await?.len();
    }
    let mut crashed = Vec::new();
    if running == 1 && !process_lives {
        let statement = format!(
            "UPDATE events_jobs SET worker = $1, fence = fence + 1, changed_at = $2 WHERE {} RETURNING {}",
            unlocked(&transaction, "events_jobs", &format!("{in_hand} AND alone")),
            claim::READ
        );
        let rows = transaction
            .query_all_raw(Statement::from_sql_and_values(
                backend,
                statement,
                [me.into(), now.timestamp_millis().into()],
            ))
            .await?;
        crashed = claim::read_all(&transaction, &rows, now).await?;
        // Not every worker knows what follows for an item: whoever claims it next does.
        let statement = format!(
            "UPDATE events_sync_items SET state = 0, worker = NULL, error_kind = 'crashed', changed_at = $1 \
             WHERE {}",
            unlocked(
                &transaction,
                "events_sync_items",
                &format!("{in_hand} AND alone")
            )
        );
        let values = [now.timestamp_millis().into()];
        transaction
            .execute_raw(Statement::from_sql_and_values(backend, statement, values))
            .await?;
    }
    let alone = if process_lives { "" } else { "alone = TRUE, " };
    for table in CLAIMED {
        give_back(&transaction, table, alone, &in_hand, now).await?;
    }
    transaction.commit().await?;
    for (path, _) in taken.iter().filter_map(|other| other.lock.as_ref()) {
        let _ = std::fs::remove_file(path);
    }
    Ok(crashed)
}

/// Ids as SQL has them. None: a list that no id is in.
fn list(workers: &[&Other]) -> String {
    let ids: Vec<String> = workers.iter().map(|other| other.id.to_string()).collect();
    if ids.is_empty() {
        "NULL".to_owned()
    } else {
        ids.join(", ")
    }
}

/// These rows, but for those that a transaction has locked: where the one who began it is gone, Postgres may keep it for
/// hours, in which the others shall not wait for it. Whoever looks for orphans finds those rows later.
fn unlocked(connection: &impl ConnectionTrait, table: &str, which: &str) -> String {
    let skip = store::skip_locked(connection);
    format!("id IN (SELECT id FROM {table} WHERE {which}{skip})")
}

async fn give_back(
    connection: &impl ConnectionTrait,
    table: &str,
    alone: &str,
    which: &str,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let statement = format!(
        "UPDATE {table} SET state = 0, worker = NULL, {alone} attempts = attempts - 1, changed_at = $1 WHERE {}",
        unlocked(connection, table, which)
    );
    let values = [now.timestamp_millis().into()];
    let backend = connection.get_database_backend();
    connection
        .execute_raw(Statement::from_sql_and_values(backend, statement, values))
        .await
        .map(drop)
}

/// Gives back what a worker claimed at the moment in which it was taken for dead: its row is gone, so that nobody
/// would look after it.
async fn release_orphans(store: &Store, now: DateTime<Utc>) -> Result<(), StoreError> {
    const ORPHANS: &str = "state = 1 AND worker NOT IN (SELECT id FROM events_workers)";
    for table in CLAIMED {
        let any = format!("SELECT 1 FROM {table} WHERE {ORPHANS} LIMIT 1");
        let any = Statement::from_string(store.backend(), any);
        if store.reader().query_one_raw(any).await?.is_some() {
            give_back(store.writer(), table, "alone = TRUE, ", ORPHANS, now).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(heartbeat_at: i64) -> Other {
        Other {
            id: 1,
            boot: String::new(),
            lock: None,
            heartbeat_at,
            lapse: Duration::from_mins(1),
            process: (None, String::new(), String::new(), 0),
        }
    }

    /// Whether the other is taken for dead by looks after so many seconds each, in which its heartbeat stays.
    fn dead_after(watch: &mut Watch, waits: &[u64]) -> Vec<bool> {
        let mut now = watch.looked.unwrap_or_else(Instant::now);
        let looks = waits.iter().map(|wait| {
            now += Duration::from_secs(*wait);
            let others = [other(7)];
            let gap = watch.look(&others, now);
            watch.is_dead(&others[0], now, gap)
        });
        looks.collect()
    }

    #[test]
    fn only_time_in_which_it_could_have_shown_life_counts() {
        let mut watch = Watch::default();
        assert_eq!(
            dead_after(&mut watch, &[0, 20, 20, 20, 1]),
            [false, false, false, false, true]
        );
        // This worker could not look for long.
        assert_eq!(
            dead_after(&mut watch, &[31, 30, 30, 1]),
            [false, false, false, true]
        );
        // A look or a sign of life of its own failed.
        watch.forget();
        assert_eq!(
            dead_after(&mut watch, &[20, 30, 30, 1]),
            [false, false, false, true]
        );
    }
}
