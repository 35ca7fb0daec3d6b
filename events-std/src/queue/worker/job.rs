//! The run of one claimed job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events_core::{Claimable, Events, Extensions, ParkReason, Verdict};
use tracing::Instrument;

use super::DEFAULT_TIMEOUT;
use super::means::Means;
use super::park;
use super::source::Ends;
use super::threads::{Hanging, OnThread};
use crate::queue::claim::Claimed;
use crate::queue::end::{self, End, Ended};
use crate::store::{StoreError, Tx};

/// What became of an attempt.
enum Attempted {
    /// The end of its claim is written, or the claim is lost.
    Written,
    /// Whether its end is written is not known.
    Unknown,
    /// It did not start, or was stopped: it does not count.
    GivenBack,
    Ended(Verdict),
}

/// Runs one attempt to its end, or to the listener's timeout, and adds its end to these. It gives what still runs, on
/// threads that cannot be stopped.
pub(super) async fn run(
    means: Means,
    claimed: Arc<Claimed>,
    listener: Option<Arc<Claimable>>,
    ends: Ends<Ended>,
) -> Vec<Hanging> {
    let span = means.events.job_span(&claimed.job);
    let mut hanging = Vec::new();
    let ending = run_to_end(&means, &claimed, listener.as_deref(), &mut hanging);
    let end = ending.instrument(span).await;
    ends.add(Ended::of(&claimed, end));
    hanging
}

/// What few runs need is in boxes of its own: the future of each run is moved about, and shall be small.
async fn run_to_end(
    means: &Means,
    claimed: &Arc<Claimed>,
    listener: Option<&Claimable>,
    hanging: &mut Vec<Hanging>,
) -> End {
    let timeout = timeout_of(listener);
    let attempted = match listener {
        Some(listener) if listener.wants_transaction => {
            Box::pin(in_transaction(means, claimed, timeout)).await
        }
        Some(listener) if listener.blocks => {
            Box::pin(blocking(means, claimed, timeout, hanging)).await
        }
        _ => ending(&means.events, claimed, timeout).await,
    };
    match attempted {
        Attempted::Written => End::Written,
        Attempted::Unknown => End::Unknown,
        Attempted::GivenBack => End::GivenBack,
        Attempted::Ended(Verdict::Park(failure)) => {
            Box::pin(park::park(means, claimed, listener, failure, hanging)).await
        }
        Attempted::Ended(verdict) => verdict.into(),
    }
}

pub(super) fn timeout_of(listener: Option<&Claimable>) -> Duration {
    listener
        .and_then(|listener| listener.timeout)
        .unwrap_or(DEFAULT_TIMEOUT)
}

/// What follows an attempt in which the process died; its end is added to these, as that of a [`run`].
pub(super) async fn conclude_crashed(
    means: Means,
    claimed: Arc<Claimed>,
    listener: Option<Arc<Claimable>>,
    ends: Ends<Ended>,
) -> Vec<Hanging> {
    let span = means.events.job_span(&claimed.job);
    let concluding = async {
        let message = "the process died while the listener ran";
        let verdict = means
            .events
            .conclude(&claimed.job, ParkReason::Crashed, message);
        let mut hanging = Vec::new();
        let end = match verdict {
            Verdict::Park(failure) => {
                park::park(&means, &claimed, listener.as_deref(), failure, &mut hanging).await
            }
            verdict => match verdict.into() {
                End::Retry { at, error, .. } => End::Retry {
                    at,
                    error,
                    alone: true,
                },
                end => end,
            },
        };
        ends.add(Ended::of(&claimed, end));
        hanging
    };
    concluding.instrument(span).await
}

fn timed_out(events: &Events, claimed: &Claimed, timeout: Duration) -> Attempted {
    let message = format!("the attempt took longer than {timeout:?}");
    Attempted::Ended(events.conclude(&claimed.job, ParkReason::TimedOut, &message))
}

/// Runs an async listener.
async fn ending(events: &Events, claimed: &Claimed, timeout: Duration) -> Attempted {
    match tokio::time::timeout(timeout, events.process(&claimed.job)).await {
        Ok(verdict) => Attempted::Ended(verdict),
        Err(_) => timed_out(events, claimed, timeout),
    }
}

/// Runs a sync listener on a thread that may block. One that takes too long is left there.
async fn blocking(
    means: &Means,
    claimed: &Arc<Claimed>,
    timeout: Duration,
    hanging: &mut Vec<Hanging>,
) -> Attempted {
    let (events, job) = (means.events.clone(), claimed.clone());
    let work = async move || events.process(&job.job).await;
    match means.on_thread(timeout, work).await {
        OnThread::Ended(verdict) => Attempted::Ended(verdict),
        OnThread::Stopped => Attempted::GivenBack,
        OnThread::Hangs(hangs) => {
            hanging.push(hangs);
            timed_out(&means.events, claimed, timeout)
        }
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
async fn in_transaction(means: &Means, claimed: &Claimed, timeout: Duration) -> Attempted {
    let (events, store) = (&means.events, means.store.with_events(&means.events));
    let timeout = means.longest_transaction(timeout);
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
                let ending = end::finish_in(tx, claimed.hold, events.now());
                if store.in_time(ending).await? {
                    Ok(())
                } else {
                    Err(Undone::Lost)
                }
            }
            other => Err(Undone::Verdict(other)),
        }
    });
    match transaction.await {
        // If the claim was lost, whoever holds it now runs the job.
        Ok(()) | Err(Undone::Lost) => Attempted::Written,
        Err(Undone::Verdict(verdict)) => Attempted::Ended(verdict),
        Err(Undone::TimedOut) => timed_out(events, claimed, timeout),
        // The listener has come to its end.
        Err(Undone::Store(error @ StoreError::NoAnswer(_))) if begun.load(Ordering::Relaxed) => {
            tracing::error!(%error, "whether a job's transaction was committed is not known: if it was not, the job runs again");
            Attempted::Unknown
        }
        Err(Undone::Store(error)) if begun.load(Ordering::Relaxed) => {
            let message = format!("the transaction failed: {error}");
            Attempted::Ended(events.conclude(&claimed.job, ParkReason::Exhausted, &message))
        }
        // The listener has not run.
        Err(Undone::Store(error)) => {
            tracing::error!(%error, "no transaction for a job: it is given back");
            Attempted::GivenBack
        }
    }
}
