//! The run of one claimed job.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events_core::{Claimable, Events, Extensions, ParkReason, Verdict};
use sea_orm::DbBackend;
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::threads::Threads;
use super::{DEFAULT_TIMEOUT, LONGEST_IN_SQLITE};
use crate::queue::claim::{Claimed, Hold};
use crate::queue::end::{self, End, Ended};
use crate::store::{Store, StoreError, Tx};

/// What the runs of one worker share.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) events: Events,
    pub(super) store: Store,
    pub(super) threads: Threads,
    /// So many runs may have a transaction open, so that the worker always finds a connection for itself.
    pub(super) transactions: Arc<Semaphore>,
    /// The worker's lock, which a listener that blocks holds too.
    pub(super) lock: Option<Arc<File>>,
}

/// What became of a run.
pub(super) struct Outcome {
    pub(super) ended: Ended,
    /// Whether the listener still runs, on a thread that cannot be stopped.
    pub(super) hangs: Option<Hanging>,
}

impl Outcome {
    fn new(hold: Hold, end: impl Into<End>) -> Self {
        Self {
            ended: Ended {
                hold,
                end: end.into(),
            },
            hangs: None,
        }
    }
}

/// A listener on a thread that cannot be stopped.
pub(super) struct Hanging(Arc<AtomicBool>);

impl Hanging {
    pub(super) fn still_runs(&self) -> bool {
        !self.0.load(Ordering::Acquire)
    }
}

/// Runs one attempt to its end, or to the listener's timeout.
pub(super) async fn run(
    means: Means,
    claimed: Arc<Claimed>,
    listener: Option<Claimable>,
) -> Outcome {
    let job = &claimed.job;
    let span = tracing::info_span!(
        "job",
        id = claimed.hold.id,
        event = job.event,
        listener = job.listener,
        queue = job.queue,
        attempt = job.attempts,
        delivery = %job.delivery.id,
        traceparent = job.trace.as_deref(),
    );
    let timeout = timeout_of(listener.as_ref());
    let run = async {
        match listener {
            Some(listener) if listener.wants_transaction => {
                in_transaction(&means, &claimed, timeout).await
            }
            Some(listener) if listener.blocks => blocking(&means, &claimed, timeout).await,
            _ => ending(&means.events, &claimed, timeout).await,
        }
    };
    run.instrument(span).await
}

fn timeout_of(listener: Option<&Claimable>) -> Duration {
    listener
        .and_then(|listener| listener.timeout)
        .unwrap_or(DEFAULT_TIMEOUT)
}

/// What follows an attempt that did not come to its end by itself.
pub(super) async fn conclude(
    events: Events,
    claimed: Arc<Claimed>,
    listener: Option<Claimable>,
    reason: ParkReason,
    message: String,
) -> Outcome {
    let timeout = timeout_of(listener.as_ref());
    let mut end = concluded(&events, &claimed, reason, message, timeout).await;
    if let (ParkReason::Crashed, End::Retry { alone, .. }) = (reason, &mut end) {
        *alone = true;
    }
    Outcome::new(claimed.hold, end)
}

async fn concluded(
    events: &Events,
    claimed: &Claimed,
    reason: ParkReason,
    message: String,
    timeout: Duration,
) -> End {
    let concluding = events.conclude(&claimed.job, reason, &message);
    match tokio::time::timeout(timeout, concluding).await {
        Ok(verdict) => verdict.into(),
        // Only what is to be parked runs the hook, and reads the event for it.
        Err(_) => End::Park {
            reason,
            error: format!("{message}; the `failed` hook took longer than {timeout:?} too"),
        },
    }
}

async fn timed_out(events: &Events, claimed: &Claimed, timeout: Duration) -> End {
    let message = format!("the attempt took longer than {timeout:?}");
    concluded(events, claimed, ParkReason::TimedOut, message, timeout).await
}

/// Runs an async listener.
async fn ending(events: &Events, claimed: &Claimed, timeout: Duration) -> Outcome {
    let end = match tokio::time::timeout(timeout, events.process(&claimed.job)).await {
        Ok(verdict) => verdict.into(),
        Err(_) => timed_out(events, claimed, timeout).await,
    };
    Outcome::new(claimed.hold, end)
}

/// Runs a sync listener on a thread that may block. One that takes too long is left there.
async fn blocking(means: &Means, claimed: &Arc<Claimed>, timeout: Duration) -> Outcome {
    let (events, lock) = (means.events.clone(), means.lock.clone());
    let job = claimed.clone();
    let runtime = tokio::runtime::Handle::current();
    let span = tracing::Span::current();
    let over = Arc::new(AtomicBool::new(false));
    let guard = Over(over.clone());
    let (tell, told) = tokio::sync::oneshot::channel();
    let started = means.threads.run(move || {
        let _kept = (guard, lock);
        let _entered = span.entered();
        let verdict = runtime.block_on(events.process(&job.job));
        // Nobody listens any more after a timeout.
        let _ = tell.send(verdict);
    });
    if let Err(error) = started {
        tracing::error!(%error, "no thread for a listener that blocks: its job is given back");
        // Others, and this worker too, may have more luck in a moment.
        tokio::time::sleep(Duration::from_millis(100)).await;
        return Outcome::new(claimed.hold, End::GivenBack);
    }
    match tokio::time::timeout(timeout, told).await {
        Ok(Ok(verdict)) => Outcome::new(claimed.hold, verdict),
        // The kernel catches panics: the thread was ended by the runtime's shutdown.
        Ok(Err(_)) => Outcome::new(claimed.hold, End::GivenBack),
        Err(_) => Outcome {
            hangs: Some(Hanging(over)),
            ..Outcome::new(
                claimed.hold,
                timed_out(&means.events, claimed, timeout).await,
            )
        },
    }
}

/// Tells, however it ends, that a thread is done with its listener.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Why the transaction of a run was rolled back.
enum Undone {
    /// The listener's verdict wants it.
    Verdict(Verdict),
    TimedOut,
    /// The claim was lost meanwhile.
    Lost,
    Store(StoreError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Runs a listener in a transaction, which also ends its claim: what it writes there happens exactly once.
async fn in_transaction(means: &Means, claimed: &Claimed, timeout: Duration) -> Outcome {
    let (events, store) = (&means.events, means.store.with_events(&means.events));
    // All others who write wait for it there.
    let timeout = if store.backend() == DbBackend::Sqlite {
        timeout.min(LONGEST_IN_SQLITE)
    } else {
        timeout
    };
    let _place = means.transactions.acquire().await;
    let begun = AtomicBool::new(false);
    let transaction = store.transaction(async |tx: &Tx| {
        begun.store(true, Ordering::Relaxed);
        let verdict = {
            let extensions = Extensions::new().with(tx.handle());
            let run = events.process_with(&claimed.job, &extensions);
            match tokio::time::timeout(timeout, run).await {
                Ok(verdict) => verdict,
                Err(_) => return Err(Undone::TimedOut),
            }
        };
        match verdict {
            Verdict::Done | Verdict::Discarded(_) => {
                if end::finish_in(tx, claimed.hold, events.now())
                    .await
                    .map_err(StoreError::from)?
                {
                    Ok(())
                } else {
                    Err(Undone::Lost)
                }
            }
            other => Err(Undone::Verdict(other)),
        }
    });
    let end = match transaction.await {
        // Ended there; and if the claim was lost, whoever holds it now runs the job. There is nothing to write.
        Ok(()) | Err(Undone::Lost) => End::Done,
        Err(Undone::Verdict(verdict)) => verdict.into(),
        Err(Undone::TimedOut) => timed_out(events, claimed, timeout).await,
        Err(Undone::Store(error)) if begun.load(Ordering::Relaxed) => {
            let message = format!("the transaction failed: {error}");
            concluded(events, claimed, ParkReason::Exhausted, message, timeout).await
        }
        // The listener has not run.
        Err(Undone::Store(error)) => {
            tracing::error!(%error, "no transaction for a job: it is given back");
            End::GivenBack
        }
    };
    Outcome::new(claimed.hold, end)
}
