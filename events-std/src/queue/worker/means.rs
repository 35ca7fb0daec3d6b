//! What the runs of one worker share.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use events_core::Events;
use sea_orm::DbBackend;
use tokio::sync::Semaphore;

use super::LONGEST_IN_SQLITE;
use super::threads::{OnThread, Threads};
use crate::store::Store;

/// What the runs of one worker share.
#[derive(Clone)]
pub(crate) struct Means {
    pub(super) events: Events,
    /// Its transactions are answered in time, or not at all.
    pub(crate) store: Store,
    pub(super) threads: Threads,
    /// So many runs may have a transaction open, so that the worker always finds a connection for itself.
    pub(crate) transactions: Arc<Semaphore>,
    /// The worker's lock, which a listener that blocks holds too.
    pub(super) lock: Option<Arc<File>>,
}

impl Means {
    /// How long a listener or a hook of this timeout may have a transaction open.
    pub(super) fn longest_transaction(&self, timeout: Duration) -> Duration {
        longest_transaction(&self.store, timeout)
    }

    /// Runs what may block on a thread. If it takes too long, it is left there.
    pub(crate) async fn on_thread<T: Send + 'static>(
        &self,
        timeout: Duration,
        work: impl AsyncFnOnce() -> T + Send + 'static,
    ) -> OnThread<T> {
        self.threads.run(timeout, self.lock.clone(), work).await
    }
}

/// How long the run of this timeout may have a transaction of this store open.
pub(crate) fn longest_transaction(store: &Store, timeout: Duration) -> Duration {
    // All others who write wait for it there.
    if store.backend() == DbBackend::Sqlite {
        timeout.min(LONGEST_IN_SQLITE)
    } else {
        timeout
    }
}
