//! The port.

use super::{Capability, Job};
use crate::BoxError;
use crate::future::BoxFuture;

/// Where the jobs of queued listeners wait.
///
/// An implementor promises:
///
/// - A push keeps all its jobs or none.
/// - A job that was kept is given to [`Events::process`](crate::Events::process) until a verdict ends it, and is never
///   dropped. No two attempts of it run at once, and none before its `run_at`.
/// - An attempt is counted in [`Job::attempts`] before it starts, where the count outlives the process, so that a job that
///   ends its process comes to an end too.
/// - An attempt that did not come to its end, as it took too long or its process died, is followed by what
///   [`Events::conclude`](crate::Events::conclude) says. One that was stopped, as by a shutdown, does not count: its job
///   stays as it was.
/// - Who holds a job no more, because others took it for dead, cannot end it.
/// - What fails for good is parked with its reason, after [`Events::run_failed`](crate::Events::run_failed), and can be
///   shown and run again.
/// - What no worker knows is left to those that know it: a worker takes only what
///   [`Events::claimable`](crate::Events::claimable) names.
/// - Of the options only those in `capabilities` are carried out, and each of them is.
pub trait Queue: Send + Sync + 'static {
    /// The options of queued listeners that this queue carries out. `build()` refuses the others.
    fn capabilities(&self) -> &[Capability];

    /// Keeps all jobs or none.
    fn push(&self, jobs: Vec<Job>) -> BoxFuture<'_, Result<(), PushError>>;

    /// As [`push`](Self::push), for `dispatch_sync`. Refuses unless overridden.
    ///
    /// # Errors
    ///
    /// If the queue needs a runtime, or as `push`.
    fn push_sync(&self, jobs: Vec<Job>) -> Result<(), PushError> {
        drop(jobs);
        Err(PushError::NotSync)
    }
}

/// Why jobs were not pushed. None of them was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The dispatcher has no queue.
    #[error("the dispatcher has no queue: give one to the builder with `.queue(..)`")]
    NoQueue,
    /// The queue needs a runtime.
    #[error("this queue needs a runtime: use `dispatch(..).await`")]
    NotSync,
    /// The queue is full.
    #[error(
        "the queue holds {held} of at most {capacity} jobs: run its jobs, or give it more room"
    )]
    Full {
        /// How many jobs it holds.
        held: usize,
        /// How many jobs it may hold.
        capacity: usize,
    },
    /// The queue failed.
    #[error("the queue failed: {0}")]
    Failed(#[source] BoxError),
}
