//! The shutdown: when it began, and how long what waits for the database may keep it.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// What was under way at the shutdown may take so long: a database that accepts what it is sent and never answers must
/// not keep the worker.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// The shutdown, and when it began.
pub(super) struct Stop(watch::Sender<Option<Instant>>);

impl Stop {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Begins the shutdown.
    pub(super) fn begin(&self) {
        self.0.send_replace(Some(Instant::now()));
    }

    /// When it began; now, if the worker ends for another reason.
    pub(super) fn since(&self) -> Instant {
        self.0.borrow().unwrap_or_else(Instant::now)
    }

    /// Waits for its beginning.
    pub(super) async fn begun(&self) {
        // It cannot close: the sender is here.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits for what may hang, but not longer than [`PATIENCE`] beyond the beginning of the shutdown.
    pub(super) async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let patience = async {
            self.begun().await;
            tokio::time::sleep_until(self.since() + PATIENCE).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = patience => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::Stop;

    #[tokio::test]
    async fn what_ends_by_itself_is_not_cut_short() {
        let stop = Stop::new();
        stop.begin();
        assert_eq!(stop.bound(async { 7 }).await, Some(7));
        stop.begun().await;
        // Twice: it is no signal that the first who sees it takes away.
        stop.begun().await;
    }

    #[tokio::test]
    async fn what_never_ends_is_left_when_the_shutdown_has_lasted() {
        let stop = Stop::new();
        let began = tokio::time::Instant::now();
        stop.0.send_replace(Some(began - super::PATIENCE));
        assert_eq!(stop.bound(pending::<()>()).await, None);
        assert_eq!(stop.since(), began - super::PATIENCE);
    }
}
