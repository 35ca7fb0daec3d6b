//! Who works: each worker's row, which tells where its lock is.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use uuid::Uuid;

use super::lock::{self, Locked};
use crate::store::{Store, StoreError};

/// A worker's row and its lock. The lock ends with the process, however the process ends.
pub(crate) struct Presence {
    pub(crate) id: i64,
    /// Held for as long as the worker lives, or one of its threads runs a listener.
    lock: Option<Arc<File>>,
    path: Option<PathBuf>,
}

/// What a worker tells others of itself.
#[derive(Clone, Copy)]
pub(crate) struct Card<'c> {
    pub(crate) name: &'c str,
    /// The JSON list of the keys that it may claim.
    pub(crate) claims: &'c str,
    /// The JSON list of the queues that it serves.
    pub(crate) queues: &'c str,
    /// After how long without a sign of life it counts as dead.
    pub(crate) lapse: Duration,
}

impl Presence {
    /// Enters a worker.
    pub(crate) async fn enter(
        store: &Store,
        card: Card<'_>,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        // Without a lock, as on a system that has none, the heartbeat alone tells of a death.
        let locked = Locked::new().ok();
        // The folder for temporary files may hold many, and the worker need not wait.
        tokio::task::spawn_blocking(lock::sweep);
        match insert(store, card, locked.as_ref(), now).await {
            Ok(id) => {
                if let Some(locked) = &locked {
                    locked.entered();
                }
                let (lock, path) = match locked {
                    Some(Locked { file, path, .. }) => (Some(Arc::new(file)), Some(path)),
                    None => (None, None),
                };
                Ok(Self { id, lock, path })
            }
            Err(error) => {
                if let Some(locked) = locked {
                    let _ = fs::remove_file(locked.path);
                }
                Err(error.into())
            }
        }
    }

    /// The lock: whoever has it makes the worker count as alive.
    pub(super) fn lock(&self) -> Option<Arc<File>> {
        self.lock.clone()
    }

    /// Tells other workers that this one lives. Whether its row is still there.
    pub(crate) async fn beat(
        &self,
        connection: &impl ConnectionTrait,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        // Others look for a change, whatever the clocks say.
        let result = connection
            .execute_raw(Statement::from_sql_and_values(
                connection.get_database_backend(),
                "UPDATE events_workers SET heartbeat_at = CASE WHEN heartbeat_at < $2 THEN $2 ELSE heartbeat_at + 1 END \
                 WHERE id = $1",
                [self.id.into(), now.timestamp_millis().into()],
            ))
            .await?;
        Ok(result.rows_affected() == 1)
    }

    /// Removes the row, then the lock's file: if the row stays, the file tells others that they may remove both.
    pub(crate) async fn leave(self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        connection
            .execute_raw(Statement::from_sql_and_values(
                connection.get_database_backend(),
                "DELETE FROM events_workers WHERE id = $1",
                [self.id.into()],
            ))
            .await?;
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

async fn insert(
    store: &Store,
    card: Card<'_>,
    locked: Option<&Locked>,
    now: DateTime<Utc>,
) -> Result<i64, DbErr> {
    let place = locked.map(|locked| locked.place);
    let row = store
        .writer()
        .query_one_raw(Statement::from_sql_and_values(
            store.backend(),
            "INSERT INTO events_workers (name, host, boot, process, lock_path, lock_device, lock_inode, claims, \
             queues, lapse, started_at, heartbeat_at, process_uid) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12) \
             RETURNING id",
            [
                card.name.into(),
                host().into(),
                boot().into(),
                i64::from(std::process::id()).into(),
                locked
                    .map(|locked| locked.path.display().to_string())
                    .into(),
                place.map(|(device, _)| device).into(),
                place.map(|(_, inode)| inode).into(),
                card.claims.into(),
                card.queues.into(),
                i64::try_from(card.lapse.as_millis())
                    .unwrap_or(i64::MAX)
                    .into(),
                now.timestamp_millis().into(),
                process().into(),
            ],
        ))
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
    row.try_get_by_index(0)
}

/// What tells this process from every other. Its number does not: in a container that starts anew it is the same.
fn process() -> Uuid {
    static PROCESS: OnceLock<Uuid> = OnceLock::new();
    *PROCESS.get_or_init(Uuid::now_v7)
}

/// The machine's name, for people to read.
pub(crate) fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

/// What tells this start of this machine from every other: empty where the system does not say.
pub(super) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}
