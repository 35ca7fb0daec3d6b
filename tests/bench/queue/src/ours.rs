//! The same work through the public API.

use events_core::{Event, Events, listener};
use events_std::{Store, StoreError, Tx, Worker};
use sea_orm::{ConnectionTrait, Statement};

use crate::Error;
use crate::base::Base;

/// About ninety bytes of payload, as the bare queue has.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "bench.event")]
pub struct Benched {
    number: u32,
    text: String,
}

impl Benched {
    /// An event.
    pub fn new(number: u32) -> Self {
        Self {
            number,
            text: "some ninety bytes of payload, as in the study of the engines....".to_owned(),
        }
    }
}

#[listener(Benched, queue = "bench")]
async fn nothing(event: &Benched) {
    std::hint::black_box(event.number);
}

/// The durable queue.
pub struct Ours {
    store: Store,
    events: Events,
}

impl Ours {
    /// With a dispatcher of its own.
    pub fn new(base: &Base) -> Result<Self, Error> {
        let events = Events::builder()
            .only_linked_in(module_path!())
            .queue(base.store.queue())
            .build()?;
        Ok(Self {
            store: base.store.with_events(&events),
            events,
        })
    }

    /// Forgets all jobs.
    pub async fn clear(&self) -> Result<(), Error> {
        self.store
            .writer()
            .execute_unprepared("DELETE FROM events_jobs")
            .await?;
        Ok(())
    }

    /// One event a transaction.
    pub async fn push_singles(&self, jobs: u32) -> Result<(), Error> {
        self.push_batches(jobs, 1).await
    }

    /// A batch a transaction.
    pub async fn push_batches(&self, jobs: u32, batch: u32) -> Result<(), Error> {
        for start in (0..jobs).step_by(batch as usize) {
            self.store
                .transaction(async |tx: &Tx| {
                    for number in start..start + batch {
                        tx.dispatch(&Benched::new(number))
                            .await
                            .map_err(|_| StoreError::TransactionOpen)?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
        Ok(())
    }

    /// Runs all jobs.
    pub async fn process(&self, batch: u32) -> Result<(), Error> {
        Worker::new(&self.events, &self.store)
            .concurrency(batch as usize)
            .drain()
            .await?;
        Ok(())
    }

    /// Fails unless so many jobs are done and no other is there.
    pub async fn expect_done(&self, jobs: u32) -> Result<(), Error> {
        let row = self
            .store
            .writer()
            .query_one_raw(Statement::from_string(
                self.store.backend(),
                "SELECT COUNT(*), COALESCE(SUM(CASE WHEN state = 2 THEN 1 ELSE 0 END), 0) FROM events_jobs",
            ))
            .await?
            .ok_or("a row")?;
        let (all, done): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if (all, done) == (i64::from(jobs), i64::from(jobs)) {
            Ok(())
        } else {
            Err(format!("{done} of {all} jobs are done, not {jobs}").into())
        }
    }
}
