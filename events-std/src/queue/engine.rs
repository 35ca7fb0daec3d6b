//! The kernel's queue port on a store.

use events_core::{BoxFuture, Capability, Job, PushError, Queue};
use sea_orm::ConnectionTrait;

use super::handoff::Place;
use crate::store::{self, Store, StoreError};

/// The queue of a store, for [`EventsBuilder::queue`](events_core::EventsBuilder::queue): see [`Store::queue`].
#[derive(Clone, Debug)]
pub struct StoreQueue(Store);

impl Store {
    /// The store as the queue of a dispatcher. A plain dispatch writes its jobs in a transaction of their own; one
    /// through [`Store::transaction`] writes them with the transaction's rows. Where a plain dispatch makes a single job
    /// without keys or delay, and a worker of this process that knows it is idle, the job is stored as taken by it.
    #[must_use]
    pub fn queue(&self) -> StoreQueue {
        StoreQueue(self.clone())
    }
}

impl Queue for StoreQueue {
    fn capabilities(&self) -> &[Capability] {
        &[
            Capability::Tries,
            Capability::Backoff,
            Capability::Jitter,
            Capability::Timeout,
            Capability::Delay,
            Capability::RetryFor,
            Capability::Unique,
            Capability::UniqueUntilStart,
            Capability::OrderBy,
            Capability::Failed,
            Capability::OnMissing,
            Capability::Transaction,
        ]
    }

    fn push(&self, jobs: Vec<Job>) -> BoxFuture<'_, Result<(), PushError>> {
        Box::pin(async move {
            self.write(&jobs)
                .await
                .map_err(|error| PushError::Failed(error.into()))
        })
    }
}

impl StoreQueue {
    async fn write(&self, jobs: &[Job]) -> Result<(), StoreError> {
        if let [job] = jobs
            && let Some(place) = Place::for_job(&self.0, job)
        {
            return place.push(&self.0, job).await;
        }
        if let Some(statement) = store::write_at_once(self.0.backend(), jobs)? {
            self.0.check_free()?;
            self.0.writer().execute_raw(statement).await?;
        } else {
            let transaction = self.0.begin().await?;
            store::write(&transaction, jobs).await?;
            transaction.commit().await?;
        }
        self.0.pushed().notify_waiters();
        Ok(())
    }
}
