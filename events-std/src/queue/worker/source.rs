//! What a worker works for: the jobs of its store, and whatever else has rows that are their own jobs.
//!
//! A source takes claims, says how each is run, and writes their ends; the worker has the places, the threads, the time,
//! and the sign of life.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use events_core::BoxFuture;

use super::means::Means;
use super::threads::Hanging;
use crate::queue::claim::Hold;
use crate::store::{Store, StoreError};

/// Rows that a worker claims, runs and ends.
pub(crate) trait Source: Send + Sync {
    /// The store that has the rows.
    fn store(&self) -> &Store;

    /// The keys of what it may claim, for others to know.
    fn claims(&self) -> Vec<String>;

    /// Whether there is something to do even where nothing more may run: as ends that wait to be written.
    fn wants_turn(&self) -> bool;

    /// Writes the ends that there are and takes at most `turn.free` claims, in one transaction. If it fails, the ends
    /// are kept.
    fn turn<'s>(&'s mut self, turn: Turn<'s>) -> BoxFuture<'s, Result<Vec<Taken>, StoreError>>;

    /// Takes one claim that must run alone, if one waits.
    fn turn_alone<'s>(
        &'s mut self,
        turn: Turn<'s>,
    ) -> BoxFuture<'s, Result<Vec<Taken>, StoreError>>;

    /// Whether something that must run alone was due at this time.
    fn alone_waits(&mut self, due: DateTime<Utc>) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Gives back what the store has as this worker's own although the worker does not know of it: a claim may have been
    /// committed although the commit failed.
    fn recover(&mut self, worker: i64) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The run of a claim is over.
    fn over(&mut self, hold: Hold, how: Over);

    /// The claims are lost: others took this worker for dead.
    fn forget_all(&mut self);

    /// Whether anything that it may claim is pending or running anywhere.
    fn anything_left(&mut self) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Whether anything that it may claim now was due at this time.
    fn anything_due(&mut self, due: DateTime<Utc>) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Does what is done from time to time. Whether there is more to do.
    fn tend<'s>(&'s mut self, turn: Turn<'s>) -> BoxFuture<'s, Result<bool, StoreError>>;
}

/// What a source may use in its turn.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'t> {
    pub(crate) means: &'t Means,
    /// The worker, as its row has it.
    pub(crate) worker: i64,
    /// How many more may run.
    pub(crate) free: usize,
    pub(crate) now: DateTime<Utc>,
}

/// What a source wants to be run.
pub(crate) struct Taken {
    /// The claim; none: something that can be stopped at any time, and needs no end.
    pub(crate) hold: Option<Hold>,
    /// The run, which hands its end to its source. It gives the threads that it leaves behind.
    pub(crate) run: BoxFuture<'static, Vec<Hanging>>,
}

/// How a run was over.
pub(crate) enum Over {
    /// By itself.
    Ended,
    /// The worker stopped it.
    Stopped,
    /// By a panic that nobody caught, as when a value's own `Drop` panics.
    Panicked(String),
}

/// The ends of claims whose runs are over: a run adds its own, its source takes them.
pub(crate) struct Ends<T>(Arc<Mutex<Vec<T>>>);

impl<T> Ends<T> {
    pub(crate) fn add(&self, end: T) {
        self.lock().push(end);
    }

    /// Moves all of them to the end of a list.
    pub(crate) fn move_to(&self, list: &mut Vec<T>) {
        list.append(&mut self.lock());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Ends<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Ends<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}
