//! The worker: claims jobs, runs them, and ends their claims.

mod cycle;
mod floor;
mod job;
mod jobs;
mod level;
mod means;
mod park;
mod run;
mod runs;
mod share;
mod source;
mod sources;
mod stop;
mod threads;
mod turns;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use events_core::Events;

use crate::store::{Store, StoreError};

use turns::Until;

pub(crate) use means::{Means, longest_transaction};
pub(crate) use source::{Ends, Over, Source, Taken, Turn};
pub(crate) use threads::{Hanging, OnThread};

/// How long a listener may run where it says nothing: 1 min.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// No time that a worker is given counts for more: a later instant may not be one that the system knows.
pub(crate) const LONGEST_TIME: Duration = Duration::from_hours(24 * 365 * 10);

/// How long a listener that asks for its job's transaction may run on SQLite, whatever timeout it has: all others who
/// write wait for it.
pub(crate) const LONGEST_IN_SQLITE: Duration = Duration::from_secs(5);

/// Runs queued listeners from a store. Any number of workers may share one, on any number of machines with Postgres,
/// in any number of processes with SQLite.
///
/// ```no_run
/// # async fn run(events: events_core::Events, store: events_std::Store) -> Result<(), events_std::WorkerError> {
/// use events_std::Worker;
///
/// let left = Worker::new(&events, &store)
///     .queues(["alerts", "default"])
///     .concurrency(20)
///     .run_until(async { /* tokio::signal::ctrl_c().await */ })
///     .await?;
/// println!("{} jobs were given back", left.released);
/// # Ok(())
/// # }
/// ```
#[must_use = "a worker does nothing until it runs"]
pub struct Worker {
    events: Events,
    store: Store,
    name: String,
    queues: Vec<String>,
    limits: BTreeMap<String, usize>,
    concurrency: usize,
    poll: Duration,
    grace: Duration,
    lapse: Duration,
    retention: Option<Duration>,
    start_within: Duration,
    answer_within: Duration,
    sources: Vec<Box<dyn Source>>,
}

/// What a worker left when it stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Left {
    /// Jobs that ended while it worked, well or not.
    pub ended: u64,
    /// Jobs that were running when the grace time was over, and were given back with their attempts.
    pub released: usize,
    /// Jobs that were running then too, and could not be given back, as the database did not answer: others take them
    /// over when they find this worker dead.
    pub held: usize,
    /// Sync listeners that ran longer than their timeout and could not be stopped.
    pub abandoned: usize,
}

/// Why a worker ended by itself.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// It could not enter itself in the store.
    #[error("the worker could not start: {0}")]
    Start(#[source] StoreError),
    /// The store's SQLite file is not there any more: whatever it did would be lost.
    #[error("the worker cannot go on: {0}")]
    FileGone(#[source] StoreError),
    /// It was given integrations whose rows are in another store than its own.
    #[error(
        "the integrations that the worker serves have another store: give both the same `Store`, or clones of it"
    )]
    OtherStore,
    /// Every place is taken by a sync listener that ran longer than its timeout and cannot be stopped: only a new
    /// process helps.
    #[error("all {0} places are taken by listeners that hang: start the process anew")]
    AllAbandoned(usize),
}

crate::error::debug_as_text!(WorkerError);

impl Worker {
    /// A worker of all queues, with 10 places, a grace time of 30 s, that keeps finished jobs for a day.
    pub fn new(events: &Events, store: &Store) -> Self {
        Self {
            events: events.clone(),
            store: store.clone(),
            name: format!("worker-{}", std::process::id()),
            queues: Vec::new(),
            limits: BTreeMap::new(),
            concurrency: 10,
            poll: Duration::from_millis(100),
            grace: Duration::from_secs(30),
            lapse: Duration::from_mins(1),
            retention: Some(Duration::from_hours(24)),
            start_within: Duration::from_mins(1),
            answer_within: Duration::from_secs(30),
            sources: Vec::new(),
        }
    }

    /// A name for people to read. Two workers may have one.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Only these queues, the first before the others where not all fit; all that its listeners name unless given.
    pub fn queues<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// How many jobs run at once, at least 1.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs.max(1);
        self
    }

    /// How many jobs of one queue run at once, at least 1.
    pub fn limit(mut self, queue: &str, jobs: usize) -> Self {
        self.limits.insert(queue.to_owned(), jobs.max(1));
        self
    }

    /// How often it looks for jobs of which nothing told it: of other processes on SQLite, and those due later.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll = interval.clamp(Duration::from_millis(1), LONGEST_TIME);
        self
    }

    /// How long running jobs may go on after the shutdown has begun.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time.min(LONGEST_TIME);
        self
    }

    /// After how long without a sign of life others take this worker for dead, a minute unless given. At least 3 s. If
    /// its process dies, others on the same machine notice that within a second.
    pub fn heartbeat_lapse(mut self, time: Duration) -> Self {
        self.lapse = time.clamp(Duration::from_secs(3), LONGEST_TIME);
        self
    }

    /// How long it tries to enter itself in the store when it starts, a minute unless given. Later it tries for ever.
    pub fn start_within(mut self, time: Duration) -> Self {
        self.start_within = time.min(LONGEST_TIME);
        self
    }

    /// How long the database may take for what the worker itself asks of it at once, as a claim with the ends of what has
    /// run: 30 s unless given, at least 1 s. After that it counts as silent: the worker reports it, and tries again with
    /// new connections.
    ///
    /// The same goes for a job's own transaction, which a listener or its hook asks for: for its begin, for the end of the
    /// job that is written there, and for the commit. If the commit is not answered, the worker asks the database what
    /// became of the job: it is done, or it runs again, as an attempt that does not count. As long as a Postgres that is
    /// cut off has the transaction open, the job is locked and waits, while all others run: see `tcp_keepalives_idle` and
    /// `tcp_keepalives_interval` of the server.
    pub fn answer_within(mut self, time: Duration) -> Self {
        self.answer_within = time.clamp(Duration::from_secs(1), LONGEST_TIME);
        self
    }

    /// Lets it work for another source too.
    pub(crate) fn source(mut self, source: impl Source + 'static) -> Self {
        self.sources.push(Box::new(source));
        self
    }

    /// The dispatcher of its listeners.
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// How long finished jobs are kept; for ever with `None`.
    pub fn keep_done_for(mut self, time: Option<Duration>) -> Self {
        self.retention = time;
        self
    }

    /// Works until `shutdown` is ready. Then it claims no more, lets running jobs end within the grace time, gives the
    /// rest back, and says what was left. A database that is away, locked, full or silent is reported and tried again;
    /// at the end one that does not answer keeps the worker for at most 10 s beyond the grace time.
    ///
    /// It works in a task of its own. Dropping the future stops that task without giving anything back, as the end of the
    /// process does.
    ///
    /// # Errors
    ///
    /// If it cannot start, as in the block of a transaction of its store, all its places are taken by listeners that hang,
    /// or SQLite's file was deleted or replaced.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<Left, WorkerError> {
        run::run(self, shutdown, Until::Told).await
    }

    /// Works until no job that it may claim is pending or running any more; it waits for those that are due later. With a
    /// clock that stands still it would wait for ever: see [`run_due`](Self::run_due).
    ///
    /// Before it ends it forgets finished jobs and parks what no worker knows, as a worker that goes on does each minute.
    ///
    /// # Errors
    ///
    /// As [`run_until`](Self::run_until).
    pub async fn drain(self) -> Result<Left, WorkerError> {
        self.drain_until(std::future::pending()).await
    }

    /// Works until nothing is due, by the dispatcher's clock, that it may claim, and all that it has begun has ended. What
    /// is due later stays: for programs that are started from time to time, and for tests, which move the clock between.
    /// Before it ends it tends finished and unknown jobs, as [`drain`](Self::drain) does.
    ///
    /// ```standalone_crate
    /// # use events_core::{Event, Events, ManualClock, listener};
    /// # use events_std::{Store, Worker};
    /// use std::sync::Arc;
    /// use chrono::TimeDelta;
    ///
    /// #[derive(Clone, Debug, Event)]
    /// #[event(durable, name = "order.paid")]
    /// struct OrderPaid;
    ///
    /// #[listener(OrderPaid, queue, delay = "1h")]
    /// async fn ask_for_a_review(_: &OrderPaid) {}
    ///
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = Store::connect("sqlite::memory:").await?;
    /// let clock = Arc::new(ManualClock::default());
    /// let events = Events::builder().queue(store.queue()).clock(clock.clone()).build()?;
    /// events.dispatch(&OrderPaid).await?;
    ///
    /// assert_eq!(Worker::new(&events, &store).run_due().await?.ended, 0);
    /// clock.advance(TimeDelta::hours(1));
    /// assert_eq!(Worker::new(&events, &store).run_due().await?.ended, 1);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run_until`](Self::run_until).
    pub async fn run_due(self) -> Result<Left, WorkerError> {
        run::run(self, std::future::pending(), Until::NothingIsDue).await
    }

    /// As [`drain`](Self::drain), but stops as [`run_until`](Self::run_until) does when `shutdown` is ready before.
    ///
    /// # Errors
    ///
    /// As [`run_until`](Self::run_until).
    pub async fn drain_until(
        self,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Left, WorkerError> {
        run::run(self, shutdown, Until::Drained).await
    }
}
