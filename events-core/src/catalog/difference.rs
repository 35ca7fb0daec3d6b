//! What differs between a program and its `events.lock`.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use super::Catalog;
use super::hints::hints;
use super::lock::{Fact, facts};

/// Why the program is not held to its `events.lock`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// There is no such file.
    #[error(
        "there is no `{}`: write it with `EVENTS_LOCK=update cargo test`, or by `catalog.write_lock(..)`, and commit it",
        path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program has other events or listeners than the file.
    #[error("{0}")]
    Differs(LockDifference),
}

impl fmt::Debug for LockError {
    /// As the text, with the cause: `unwrap` then shows a difference to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { source, .. } | Self::Unwritable { source, .. } => {
                write!(f, "{self}: {source}")
            }
            Self::Missing { .. } | Self::Differs(_) => write!(f, "{self}"),
        }
    }
}

/// What a program has and its `events.lock` has not, and the other way round.
#[derive(Clone, PartialEq, Eq)]
pub struct LockDifference {
    path: PathBuf,
    appeared: Vec<Fact>,
    vanished: Vec<Fact>,
    hints: Vec<String>,
}

impl LockDifference {
    pub(super) fn between(path: &Path, committed: &str, catalog: &Catalog) -> Option<Self> {
        let (then, now) = (facts(committed), facts(&catalog.lock()));
        let appeared: Vec<Fact> = now.difference(&then).cloned().collect();
        let vanished: Vec<Fact> = then.difference(&now).cloned().collect();
        if appeared.is_empty() && vanished.is_empty() {
            return None;
        }
        Some(Self {
            path: path.to_owned(),
            hints: hints(catalog, &then, &now, &vanished),
            appeared,
            vanished,
        })
    }

    /// The lines that the program has and the file has not.
    pub fn appeared(&self) -> impl Iterator<Item = &str> {
        self.appeared.iter().map(|fact| &*fact.line)
    }

    /// The lines that the file has and the program has not.
    pub fn vanished(&self) -> impl Iterator<Item = &str> {
        self.vanished.iter().map(|fact| &*fact.line)
    }
}

impl fmt::Display for LockDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the program differs from `{}`:\n", self.path.display())?;
        let vanished = self
            .vanished
            .iter()
            .map(|fact| (&fact.about, '-', &fact.line));
        let appeared = self
            .appeared
            .iter()
            .map(|fact| (&fact.about, '+', &fact.line));
        let mut lines: Vec<_> = vanished.chain(appeared).collect();
        // What changed stands together: the old line, then the new one.
        lines.sort_by_key(|(about, sign, _)| (*about, *sign == '+'));
        for (_, sign, line) in lines {
            writeln!(f, "{sign} {line}")?;
        }
        for hint in &self.hints {
            write!(f, "\n{hint}\n")?;
        }
        f.write_str(
            "\nto accept this, run the check with EVENTS_LOCK=update in the environment, and commit the file",
        )
    }
}

impl fmt::Debug for LockDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
