//! The queue of a store, on either database.

use std::collections::HashSet;
use std::time::Duration;

use events_core::{Events, Job};
use events_std::{Store, StoreQueue, Worker};
use sea_orm::{ConnectionTrait, QueryResult, Statement};
use uuid::Uuid;

use crate::engine::{Engine, Parked, Unknown};
use crate::kit::{Base, Kind};

pub(crate) struct Stored {
    base: Base,
    store: Store,
}

impl Stored {
    pub(crate) async fn open(kind: Kind) -> Option<Self> {
        let base = Base::of(kind).await?;
        let store = base.store().await;
        Some(Self { base, store })
    }

    async fn rows(&self, columns: &str) -> Vec<QueryResult> {
        self.store
            .writer()
            .query_all_raw(Statement::from_string(
                self.store.backend(),
                format!("SELECT {columns} FROM events_jobs"),
            ))
            .await
            .unwrap()
    }
}

impl Engine for Stored {
    type Queue = StoreQueue;

    const UNKNOWN: Unknown = Unknown::Waits;
    const GIVES_ATTEMPT_BACK: bool = true;

    fn queue(&self) -> StoreQueue {
        self.store.queue()
    }

    fn refused(job: Job) -> Vec<Job> {
        let nul = Job {
            unique_key: Some("\0".to_owned()),
            ..job.clone()
        };
        vec![job, nul]
    }

    async fn work(&self, events: &Events, stop: impl Future<Output = ()>) {
        // Each work has connections of its own, as in another process.
        let store = self.base.store().await;
        let worker = Worker::new(events, &store)
            .concurrency(4)
            .poll_every(Duration::from_millis(2))
            .grace(Duration::ZERO);
        worker.run_until(stop).await.unwrap();
        store.close().await.unwrap();
    }

    async fn open_jobs(&self) -> usize {
        let rows = self.rows("CAST(state AS BIGINT)").await;
        let state = |row: &QueryResult| row.try_get_by_index::<i64>(0).unwrap();
        rows.iter().filter(|row| state(row) < 2).count()
    }

    async fn due(&self, events: &Events) -> usize {
        let known: HashSet<_> = events
            .claimable()
            .into_iter()
            .map(|known| (known.event.to_owned(), known.version, known.listener))
            .collect();
        let now = events.now().timestamp_millis();
        let rows = self
            .rows("CAST(state AS BIGINT), event, version, listener, run_at")
            .await;
        let is_due = |row: &&QueryResult| {
            let version: i32 = row.try_get_by_index(2).unwrap();
            let key = (
                row.try_get_by_index(1).unwrap(),
                version.unsigned_abs(),
                row.try_get_by_index(3).unwrap(),
            );
            match row.try_get_by_index::<i64>(0).unwrap() {
                0 => row.try_get_by_index::<i64>(4).unwrap() <= now && known.contains(&key),
                state => state == 1,
            }
        };
        rows.iter().filter(is_due).count()
    }

    async fn parked(&self) -> Vec<Parked> {
        let rows = self
            .rows("CAST(state AS BIGINT), uid, listener, reason, error")
            .await;
        let parked = rows
            .iter()
            .filter(|row| row.try_get_by_index::<i64>(0).unwrap() == 3);
        parked
            .map(|row| Parked {
                id: row.try_get_by_index(1).unwrap(),
                listener: row.try_get_by_index(2).unwrap(),
                reason: row.try_get_by_index(3).unwrap(),
                message: row.try_get_by_index(4).unwrap(),
            })
            .collect()
    }

    async fn retry(&self, events: &Events, id: Uuid) {
        assert!(self.store.failed(events).retry(id).await.unwrap());
    }

    async fn close(self) {
        self.store.close().await.unwrap();
        self.base.remove().await;
    }
}
