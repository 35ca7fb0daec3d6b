//! The queue in memory.

use std::pin::pin;

use events_core::{Events, Job, MemoryQueue};
use uuid::Uuid;

use crate::engine::{Engine, Parked, Unknown};

pub(crate) struct Memory(MemoryQueue);

impl Memory {
    pub(crate) async fn open() -> Option<Self> {
        Some(Self(MemoryQueue::with_capacity(2_000)))
    }
}

impl Engine for Memory {
    type Queue = MemoryQueue;

    const UNKNOWN: Unknown = Unknown::Parked;
    const GIVES_ATTEMPT_BACK: bool = false;

    fn queue(&self) -> MemoryQueue {
        self.0.clone()
    }

    fn refused(job: Job) -> Vec<Job> {
        vec![job; 2_001]
    }

    async fn work(&self, events: &Events, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = self.0.run(events.clone(), |_| std::future::pending::<()>()) => {}
            () = pin!(stop) => {}
        }
    }

    async fn open_jobs(&self) -> usize {
        self.0.waiting() + self.0.running()
    }

    async fn due(&self, events: &Events) -> usize {
        let running = self.0.running();
        running + usize::from(self.0.next_due().is_some_and(|due| due <= events.now()))
    }

    async fn parked(&self) -> Vec<Parked> {
        let parked = self.0.parked().into_iter();
        parked
            .map(|parked| Parked {
                id: parked.job.id,
                listener: parked.job.listener.clone(),
                reason: parked.failure.reason().as_str().to_owned(),
                message: parked.failure.message().to_owned(),
            })
            .collect()
    }

    async fn retry(&self, _: &Events, id: Uuid) {
        assert!(self.0.retry(id));
    }

    async fn close(self) {}
}
