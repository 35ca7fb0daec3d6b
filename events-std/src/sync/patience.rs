//! How long a run waits for others: for a provider that finds nothing more, and for listeners that do not end.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::integration::{Integrations, IntegrationsBuilder};
use crate::queue::LONGEST_TIME;

/// How long an enumeration may go on without a sign that it gets on.
#[derive(Clone, Copy, Debug)]
struct EnumerationTimeout(Duration);

impl Default for EnumerationTimeout {
    fn default() -> Self {
        Self(Duration::from_mins(10))
    }
}

impl IntegrationsBuilder {
    /// How long a provider's sync may go on without handing over an item, and without one of its chunks being stored:
    /// 10 minutes unless given. One that takes longer is stopped, and its run fails; an enumeration that gets on may
    /// take as long as it likes.
    ///
    /// A run waits no longer than this for inline listeners of its begin and its end either: it goes on without them.
    pub fn enumeration_timeout(self, time: Duration) -> Self {
        self.part(EnumerationTimeout(time.min(LONGEST_TIME)))
    }
}

pub(super) fn of(integrations: &Integrations) -> Duration {
    integrations.part::<EnumerationTimeout>().0
}

/// When an enumeration last got on.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// An item was handed over, or a chunk was stored.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Is ready when there was none for so long.
    pub(super) async fn is_missing_for(&self, time: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() >= time {
                return;
            }
            sleep_until(last + time).await;
        }
    }
}

/// Tells a run that it is to stop.
#[derive(Clone, Debug)]
pub(super) struct Stop(Option<watch::Receiver<()>>);

impl Stop {
    pub(super) fn never() -> Self {
        Self(None)
    }

    /// When the sender is dropped.
    pub(super) fn with(sender: &watch::Sender<()>) -> Self {
        Self(Some(sender.subscribe()))
    }

    /// Is ready when it is to stop, then and ever after.
    pub(super) fn told(&self) -> impl Future<Output = ()> + Send + 'static {
        let stop = self.0.clone();
        async move {
            match stop {
                // An error: the other end was dropped.
                Some(mut stop) => drop(stop.changed().await),
                None => std::future::pending().await,
            }
        }
    }
}
