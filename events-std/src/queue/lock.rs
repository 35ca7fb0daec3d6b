//! The file lock of a worker: it ends with the process, however the process ends, so that others on the same machine
//! see within a moment that it died.

use std::fs::{self, DirEntry, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::presence::boot;
use crate::store;

const PREFIX: &str = "events-worker-";
const SUFFIX: &str = ".lock";

/// What stands in the file once the worker's row does: whoever removes the row removes the file too.
const ENTERED: &[u8] = b"entered\n";
/// A worker enters itself within this time after it has made its file, or has died.
const ENTERING: Duration = Duration::from_mins(10);

pub(super) struct Locked {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Device and inode.
    pub(super) place: (i64, i64),
}

impl Locked {
    /// Makes a file, and locks it.
    pub(super) fn new() -> io::Result<Self> {
        // No folder of our own: it would belong to the first user of the machine who runs a worker.
        let name = format!("{PREFIX}{}{SUFFIX}", Uuid::now_v7());
        let path = std::env::temp_dir().join(name);
        let file = File::create_new(&path)?;
        let locked = file.try_lock().map_err(io::Error::from);
        match locked.and_then(|()| place(&file)) {
            Ok(place) => Ok(Self { file, path, place }),
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Notes that a row tells of the file. If that fails, the file may be removed early: then the heartbeat alone tells
    /// of a death.
    pub(super) fn entered(&self) {
        if let Err(error) = (&self.file).write_all(ENTERED) {
            tracing::warn!(%error, path = %self.path.display(), "the lock of the worker could not be marked");
        }
    }
}

fn place(file: &File) -> io::Result<(i64, i64)> {
    store::place(&file.metadata()?).ok_or(io::ErrorKind::Unsupported.into())
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
    match file.try_lock_shared() {
        Ok(()) => Life::Dead,
        Err(TryLockError::WouldBlock) => Life::Lives,
        Err(TryLockError::Error(_)) => Life::Unknown,
    }
}

/// Removes the files of workers that died before they had a row: nobody else knows of them.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        // Of another user, perhaps, or gone meanwhile: no matter.
        if ours && let Err(error) = sweep_one(&entry) {
            tracing::debug!(%error, path = %entry.path().display(), "the lock of a worker was not looked at");
        }
    }
}

fn sweep_one(entry: &DirEntry) -> io::Result<()> {
    let metadata = entry.metadata()?;
    let age = SystemTime::now().duration_since(metadata.modified()?);
    if !metadata.is_file() || metadata.len() > 0 || age.is_ok_and(|age| age < ENTERING) {
        return Ok(());
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(entry.path())?;
    if file.try_lock().is_ok() && file.metadata()?.len() == 0 {
        fs::remove_file(entry.path())?;
    }
    Ok(())
}
