//! What tells a file from another that was put in its place.

use std::fs::Metadata;
#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};

/// Device and inode; none where the system has no such thing.
#[cfg(unix)]
pub(crate) fn place(metadata: &Metadata) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev().cast_signed(), metadata.ino().cast_signed()))
}

/// Device and inode; none where the system has no such thing.
#[cfg(not(unix))]
pub(crate) fn place(_: &Metadata) -> Option<(i64, i64)> {
    None
}

/// A database's file, as it was when it was opened.
#[cfg(feature = "sqlite")]
#[derive(Clone, Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    place: (i64, i64),
}

#[cfg(feature = "sqlite")]
impl OpenFile {
    /// The file that is open. None where the system does not tell files apart.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let place = place(&path.metadata().ok()?)?;
        let path = path.to_owned();
        Some(Self { path, place })
    }

    /// Whether the path leads to this file still. One system call, of a microsecond: each transaction can afford it.
    pub(super) fn is_there(&self) -> bool {
        let found = self.path.metadata();
        found.is_ok_and(|found| place(&found) == Some(self.place))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
