//! The end of a job that has failed for good: its listener's `failed` hook, and the parking.
//!
//! A hook that asks for the transaction has one of its own, in which the job is parked: what it writes there happens
//! exactly once. Any other hook has run before the job is parked, and runs again if the worker dies in between. A hook
//! that does not come to its end, as it ends the process, is begun [`HOOK_STARTS`] times; then the job is parked without
//! it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events_core::{Claimable, Extensions, JobFailure};

use super::job::timeout_of;
use super::means::Means;
use super::threads::{Hanging, OnThread};
use crate::queue::claim::Claimed;
use crate::queue::end::{self, End, HOOK_STARTS, HookStart};
use crate::store::{StoreError, Tx};

/// So often a transaction is tried that failed by what was asked of the database, as it may be through what the hook
/// wrote. An outage does not count.
const TRIES: u32 = 3;
/// The waits before a transaction is tried again.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Runs the listener's hook. The end says that the job is to be parked, or that this is done.
pub(super) async fn park(
    means: &Means,
    claimed: &Arc<Claimed>,
    listener: Option<&Claimable>,
    failure: JobFailure,
    hanging: &mut Vec<Hanging>,
) -> End {
    let timeout = timeout_of(listener);
    if listener.is_some_and(|listener| listener.has_hook) {
        let (store, now) = (&means.store, means.events.now());
        let starting = end::start_hook(store.writer(), claimed.hold, now);
        match store.in_time(starting).await {
            Ok(HookStart::May) => {}
            Ok(HookStart::Lost) => return End::Written,
            Ok(HookStart::TooOften) => {
                let message = failure.message();
                return End::Park {
                    reason: failure.reason(),
                    error: format!(
                        "{message}; the `failed` hook is left out: it was begun {HOOK_STARTS} times, and never came to \
                         its end"
                    ),
                };
            }
            // A database that is away is no reason to leave it out.
            Err(error) => tracing::warn!(%error, "the start of a `failed` hook was not counted"),
        }
    }
    let in_time = match listener {
        // Nothing here has a hook for it.
        None => true,
        Some(listener) if listener.hook_wants_transaction => {
            return in_transaction(means, claimed, &failure, timeout).await;
        }
        Some(listener) if listener.hook_blocks => {
            let (events, job, told) = (means.events.clone(), claimed.clone(), failure.clone());
            let hook = async move || {
                let nothing = Extensions::new();
                events.run_failed(&job.job, &told, &nothing).await
            };
            match means.on_thread(timeout, hook).await {
                OnThread::Ended(_) => true,
                // Whether the hook has run is not known: it comes again, after another attempt.
                OnThread::Stopped => return End::GivenBack,
                OnThread::Hangs(hangs) => {
                    hanging.push(hangs);
                    false
                }
            }
        }
        Some(_) => {
            let nothing = Extensions::new();
            let hook = means.events.run_failed(&claimed.job, &failure, &nothing);
            tokio::time::timeout(timeout, hook).await.is_ok()
        }
    };
    End::Park {
        reason: failure.reason(),
        error: said(&failure, in_time, timeout),
    }
}

/// What is kept of the failure.
fn said(failure: &JobFailure, in_time: bool, timeout: Duration) -> String {
    let message = failure.message();
    if in_time {
        message.to_owned()
    } else {
        format!("{message}; the `failed` hook took longer than {timeout:?} too")
    }
}

/// Why the transaction of a hook was rolled back.
enum Undone {
    /// The claim was lost meanwhile.
    Lost,
    Store(StoreError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why what a hook wrote is undone.
enum HookUndone {
    Failed,
    TimedOut,
    Store(StoreError),
}

impl From<StoreError> for HookUndone {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn in_transaction(
    means: &Means,
    claimed: &Claimed,
    failure: &JobFailure,
    timeout: Duration,
) -> End {
    let store = means.store.with_events(&means.events);
    let timeout = means.longest_transaction(timeout);
    let (mut broken, mut wait) = (0, FIRST_WAIT);
    loop {
        let place = means.transactions.acquire().await;
        let begun = AtomicBool::new(false);
        let transaction = store.transaction(async |tx: &Tx| {
            begun.store(true, Ordering::Relaxed);
            run_and_park(means, claimed, failure, timeout, tx).await
        });
        let error = match transaction.await {
            // If the claim was lost, whoever holds it now decides about the job.
            Ok(()) | Err(Undone::Lost) => return End::Written,
            Err(Undone::Store(error @ StoreError::NoAnswer(_)))
                if begun.load(Ordering::Relaxed) =>
            {
                tracing::error!(%error, "whether a job was parked with what its `failed` hook wrote is not known");
                return End::Unknown;
            }
            Err(Undone::Store(error)) => error,
        };
        drop(place);
        let is_asked = begun.load(Ordering::Relaxed) && !error.is_outage(store.backend());
        broken += u32::from(is_asked);
        if broken == TRIES {
            tracing::error!(%error, "a job is parked without what its `failed` hook wrote");
            return End::Park {
                reason: failure.reason(),
                error: format!(
                    "{}; the transaction of the `failed` hook failed too: {error}",
                    failure.message()
                ),
            };
        }
        tracing::warn!(%error, "the transaction of a `failed` hook failed: it will be tried again");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Runs the hook, undoes what it wrote if it fails, and parks the job, all in this transaction.
async fn run_and_park(
    means: &Means,
    claimed: &Claimed,
    failure: &JobFailure,
    timeout: Duration,
    tx: &Tx,
) -> Result<(), Undone> {
    let ran = tx.savepoint_in_time(&means.store, async |tx: &Tx| {
        let extensions = Extensions::new().with(tx.handle());
        let hook = means.events.run_failed(&claimed.job, failure, &extensions);
        match tokio::time::timeout(timeout, hook).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(HookUndone::Failed),
            Err(_) => Err(HookUndone::TimedOut),
        }
    });
    let in_time = match ran.await {
        Ok(()) | Err(HookUndone::Failed) => true,
        Err(HookUndone::TimedOut) => false,
        Err(HookUndone::Store(error)) => return Err(Undone::Store(error)),
    };
    let error = said(failure, in_time, timeout);
    let now = means.events.now();
    let parking = end::park(tx, claimed.hold, failure.reason(), &error, now);
    if means.store.in_time(parking).await? {
        Ok(())
    } else {
        Err(Undone::Lost)
    }
}
