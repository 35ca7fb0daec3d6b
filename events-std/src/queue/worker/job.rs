//! The run of one claimed job.

use std::sync::Arc;
use std::time::Duration;

use events_core::{Claimable, Events, Extensions, ParkReason, Verdict};
use tracing::Instrument;

use super::DEFAULT_TIMEOUT;
use crate::queue::claim::Claimed;
use crate::queue::end::{self, Ended};
use crate::store::{Store, StoreError, Tx};

/// What became of a run.
pub(super) struct Outcome {
    pub(super) ended: Ended,
    /// Whether the listener still runs, on a thread that cannot be stopped.
    pub(super) hangs: Option<tokio::task::JoinHandle<()>>,
}

/// Runs one attempt to its end, or to the listener's timeout.
pub(super) async fn run(
    events: Events,
    store: Store,
    claimed: Claimed,
    listener: Option<Claimable>,
) -> Outcome {
    let job = &claimed.job;
    let span = tracing::info_span!(
        "job",
        id = claimed.id,
        event = job.event,
        listener = job.listener,
        queue = job.queue,
        attempt = job.attempts,
        delivery = %job.delivery.id,
        traceparent = job.trace.as_deref(),
    );
    let timeout = listener
        .as_ref()
        .and_then(|listener| listener.timeout)
        .unwrap_or(DEFAULT_TIMEOUT);
    let run = async move {
        match listener {
            Some(listener) if listener.wants_transaction => {
                in_transaction(&events, &store, claimed, timeout).await
            }
            Some(listener) if listener.blocks => blocking(events, claimed, timeout).await,
            _ => ending(&events, claimed, timeout).await,
        }
    };
    run.instrument(span).await
}

/// Runs an async listener.
async fn ending(events: &Events, claimed: Claimed, timeout: Duration) -> Outcome {
    let verdict = match tokio::time::timeout(timeout, events.process(&claimed.job)).await {
        Ok(verdict) => verdict,
        Err(_) => timed_out(events, &claimed, timeout).await,
    };
    Outcome {
        ended: Ended { claimed, verdict },
        hangs: None,
    }
}

/// Runs a sync listener on a thread that may block. One that takes too long is left there.
async fn blocking(events: Events, claimed: Claimed, timeout: Duration) -> Outcome {
    let (running, job) = (events.clone(), Arc::new(claimed.job.clone()));
    let runtime = tokio::runtime::Handle::current();
    let span = tracing::Span::current();
    let (tell, told) = tokio::sync::oneshot::channel();
    let thread = tokio::task::spawn_blocking(move || {
        let _entered = span.entered();
        let verdict = runtime.block_on(running.process(&job));
        // Nobody listens any more after a timeout.
        let _ = tell.send(verdict);
    });
    match tokio::time::timeout(timeout, told).await {
        Ok(Ok(verdict)) => Outcome {
            ended: Ended { claimed, verdict },
            hangs: None,
        },
        // The kernel catches panics: the thread was ended by the runtime's shutdown.
        Ok(Err(_)) => {
            let verdict = events
                .conclude(
                    &claimed.job,
                    ParkReason::Exhausted,
                    "the runtime was shut down",
                )
                .await;
            Outcome {
                ended: Ended { claimed, verdict },
                hangs: None,
            }
        }
        Err(_) => {
            let verdict = timed_out(&events, &claimed, timeout).await;
            Outcome {
                ended: Ended { claimed, verdict },
                hangs: Some(thread),
            }
        }
    }
}

async fn timed_out(events: &Events, claimed: &Claimed, timeout: Duration) -> Verdict {
    let message = format!("the attempt took longer than {timeout:?}");
    events
        .conclude(&claimed.job, ParkReason::TimedOut, &message)
        .await
}

/// Why the transaction of a run was rolled back.
enum Undone {
    /// The listener's verdict wants it.
    Verdict(Verdict),
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
async fn in_transaction(
    events: &Events,
    store: &Store,
    claimed: Claimed,
    timeout: Duration,
) -> Outcome {
    let store = store.with_events(events);
    let (job, held) = (&claimed.job, &claimed);
    let transaction = store.transaction(async |tx: &Tx| {
        let verdict = {
            let extensions = Extensions::new().with(tx.handle());
            events.process_with(job, &extensions).await
        };
        match verdict {
            Verdict::Done | Verdict::Discarded(_) => {
                if end::finish_in(tx, held, events.now())
                    .await
                    .map_err(StoreError::from)?
                {
                    Ok(verdict)
                } else {
                    Err(Undone::Lost)
                }
            }
            other => Err(Undone::Verdict(other)),
        }
    });
    let ended = tokio::time::timeout(timeout, transaction).await;
    let verdict = match ended {
        Ok(Ok(verdict) | Err(Undone::Verdict(verdict))) => verdict,
        // Nothing was kept, and whoever holds the claim now runs the job: there is nothing to write.
        Ok(Err(Undone::Lost)) => Verdict::Done,
        Ok(Err(Undone::Store(error))) => {
            let message = format!("the transaction failed: {error}");
            events.conclude(job, ParkReason::Exhausted, &message).await
        }
        Err(_) => timed_out(events, &claimed, timeout).await,
    };
    Outcome {
        ended: Ended { claimed, verdict },
        hangs: None,
    }
}
