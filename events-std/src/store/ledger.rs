//! What a transaction knows of itself: the jobs it holds, its open savepoints, and whether the database still has it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use events_core::Job;

/// So many jobs are held before they are written: one statement for many is several times faster.
const HELD_AT_MOST: usize = 500;

/// So many bytes of payload are.
const BYTES_AT_MOST: usize = 4 << 20;

/// Why a transaction cannot be committed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The database has rolled it back.
    RolledBack,
    /// Jobs that were dispatched could not be written.
    JobsLost,
    /// A savepoint could not be ended.
    Savepoint,
}

impl Broken {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::RolledBack => {
                "a statement failed in a way that made the database roll all of it back"
            }
            Self::JobsLost => "jobs that were dispatched in it could not be written",
            Self::Savepoint => "one of its savepoints could not be ended",
        }
    }
}

/// What has to be done before the next statement.
pub(super) enum Pending {
    Nothing,
    /// A savepoint was left without being ended: return to before it.
    Undo(usize),
    /// A statement failed, or was left half-way.
    Doubt,
    Broken(Broken),
}

#[derive(Default)]
pub(super) struct Ledger(Mutex<State>);

#[derive(Default)]
struct State {
    /// Jobs that are not written yet. They are before anything could tell the difference: a savepoint, or the commit.
    held: Vec<Job>,
    bytes: usize,
    /// How many savepoints are open, one in the other.
    level: usize,
    undo: Option<usize>,
    doubt: bool,
    broken: Option<Broken>,
    /// Whether jobs were written, in a savepoint that was undone too.
    pushed: bool,
}

impl Ledger {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds jobs; whether they are to be written now.
    pub(super) fn hold(&self, jobs: Vec<Job>) -> bool {
        let mut state = self.state();
        state.bytes += jobs.iter().map(|job| job.payload.len()).sum::<usize>();
        state.held.extend(jobs);
        state.held.len() >= HELD_AT_MOST || state.bytes >= BYTES_AT_MOST
    }

    /// Takes the held jobs, to write them. Until [`wrote`](Self::wrote) says that they are, they count as lost: the
    /// write may fail, or be left half-way.
    pub(super) fn take(&self) -> Vec<Job> {
        let mut state = self.state();
        state.bytes = 0;
        let held = std::mem::take(&mut state.held);
        if !held.is_empty() {
            state.broken.get_or_insert(Broken::JobsLost);
        }
        held
    }

    pub(super) fn wrote(&self) {
        let mut state = self.state();
        state.pushed = true;
        if state.broken == Some(Broken::JobsLost) {
            state.broken = None;
        }
    }

    /// Whether workers have something to look for after the commit.
    pub(super) fn has_pushed(&self) -> bool {
        self.state().pushed
    }

    pub(super) fn pending(&self) -> Pending {
        let state = self.state();
        // A savepoint that is undone takes with it what broke inside.
        match (state.undo, state.broken) {
            (Some(level), _) => Pending::Undo(level),
            (None, Some(broken)) => Pending::Broken(broken),
            (None, None) if state.doubt => Pending::Doubt,
            (None, None) => Pending::Nothing,
        }
    }

    pub(super) fn doubt(&self) {
        self.state().doubt = true;
    }

    pub(super) fn trust(&self) {
        self.state().doubt = false;
    }

    pub(super) fn broke(&self, broken: Broken) {
        self.state().broken = Some(broken);
    }

    pub(super) fn mended(&self) {
        self.state().broken = None;
    }

    pub(super) fn level(&self) -> usize {
        self.state().level
    }

    /// A savepoint is open, or no longer is.
    pub(super) fn set_level(&self, level: usize) {
        self.state().level = level;
    }

    /// The savepoint of this level, and those in it, are to be undone, with the jobs held since.
    pub(super) fn undo(&self, level: usize) {
        let mut state = self.state();
        state.held.clear();
        state.bytes = 0;
        state.level = level - 1;
        state.undo = Some(state.undo.map_or(level, |other| other.min(level)));
    }

    /// The undoing has begun. Until it is done, the transaction counts as broken.
    pub(super) fn undoing(&self) {
        let mut state = self.state();
        state.undo = None;
        state.broken = Some(Broken::Savepoint);
    }

    pub(super) fn undone(&self) {
        let mut state = self.state();
        state.broken = None;
        state.doubt = false;
    }
}
