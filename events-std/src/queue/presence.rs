//! Who works: each worker's row, and the file lock that tells others on the same machine within a moment that it died.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use uuid::Uuid;

use crate::store::{Store, StoreError};

/// A worker's row and its lock. The lock ends with the process, however the process ends.
pub(super) struct Presence {
    pub(super) id: i64,
    /// Held for as long as the worker lives.
    _lock: Option<File>,
    path: Option<PathBuf>,
}

impl Presence {
    /// Enters a worker. `claims` is the JSON list of the keys that it may claim.
    pub(super) async fn enter(
        store: &Store,
        name: &str,
        claims: &str,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        // Without a lock, as on a system that has none, the heartbeat alone tells of a death.
        let locked = lock().ok();
        let place = locked.as_ref().map(|locked| locked.place);
        let row = store
            .writer()
            .query_one_raw(Statement::from_sql_and_values(
                store.backend(),
                "INSERT INTO events_workers (name, host, boot, process, lock_path, lock_device, lock_inode, claims, \
                 started_at, heartbeat_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING id",
                [
                    name.into(),
                    host().into(),
                    boot().into(),
                    i64::from(std::process::id()).into(),
                    locked
                        .as_ref()
                        .map(|locked| locked.path.display().to_string())
                        .into(),
                    place.map(|(device, _)| device).into(),
                    place.map(|(_, inode)| inode).into(),
                    claims.into(),
                    now.timestamp_millis().into(),
                ],
            ))
            .await?
            .ok_or_else(|| DbErr::RecordNotInserted)?;
        let (lock, path) = match locked {
            Some(Locked { file, path, .. }) => (Some(file), Some(path)),
            None => (None, None),
        };
        Ok(Self {
            id: row.try_get_by_index(0)?,
            _lock: lock,
            path,
        })
    }

    /// Tells workers on other machines that this one lives. Whether its row is still there.
    pub(super) async fn beat(
        &self,
        connection: &impl ConnectionTrait,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let result = connection
            .execute_raw(Statement::from_sql_and_values(
                connection.get_database_backend(),
                "UPDATE events_workers SET heartbeat_at = $2 WHERE id = $1",
                [self.id.into(), now.timestamp_millis().into()],
            ))
            .await?;
        Ok(result.rows_affected() == 1)
    }

    /// Removes the row and the lock's file.
    pub(super) async fn leave(self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
        connection
            .execute_raw(Statement::from_sql_and_values(
                connection.get_database_backend(),
                "DELETE FROM events_workers WHERE id = $1",
                [self.id.into()],
            ))
            .await?;
        Ok(())
    }
}

struct Locked {
    file: File,
    path: PathBuf,
    /// Device and inode.
    place: (i64, i64),
}

fn lock() -> io::Result<Locked> {
    let folder = std::env::temp_dir().join("events-workers");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.lock", Uuid::now_v7()));
    let file = File::create_new(&path)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
    })?;
    let place = place(&file)?;
    Ok(Locked { file, path, place })
}

#[cfg(unix)]
fn place(file: &File) -> io::Result<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    Ok((metadata.dev().cast_signed(), metadata.ino().cast_signed()))
}

#[cfg(not(unix))]
fn place(_: &File) -> io::Result<(i64, i64)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The machine's name, for people to read.
fn host() -> String {
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

/// What a worker's lock tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Lives,
    Dead,
    /// It is on another machine, or its lock cannot be reached from here.
    Unknown,
}

/// Looks at another worker's lock.
pub(super) fn life_of(boot_id: &str, path: &Path, wanted: (i64, i64)) -> Life {
    if boot_id.is_empty() || boot_id != boot() {
        return Life::Unknown;
    }
    let Ok(file) = File::open(path) else {
        return Life::Unknown;
    };
    if place(&file).ok() != Some(wanted) {
        return Life::Unknown;
    }
    match file.try_lock() {
        Ok(()) => Life::Dead,
        Err(TryLockError::WouldBlock) => Life::Lives,
        Err(TryLockError::Error(_)) => Life::Unknown,
    }
}
