//! A queue in memory: for trying things out, for tests, and for work that need not survive the process.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::Instrument;
use uuid::Uuid;

use super::{Capability, Job, JobFailure, PushError, Queue, Verdict};
use crate::events::Events;
use crate::extensions::Extensions;
use crate::future::BoxFuture;
use crate::sync::lock;

/// A queue in memory. Clones share it.
///
/// It runs nothing by itself: [`run`](Self::run) is a future to spawn, [`drain`](Self::drain) runs what is due. Its
/// jobs end with the process. It never drops one: when it is full, a push is refused and nothing of that dispatch
/// runs.
///
/// ```standalone_crate
/// use events_core::{listener, Event, Events, MemoryQueue};
///
/// #[derive(Clone, Debug, Event)]
/// #[event(durable, name = "order.paid")]
/// struct OrderPaid { order: u64 }
///
/// #[listener(OrderPaid, queue = "mail")]
/// async fn send_receipt(event: &OrderPaid) { println!("receipt for order {}", event.order); }
///
/// # pollster::block_on(async {
/// let queue = MemoryQueue::new();
/// let events = Events::builder().queue(queue.clone()).build().unwrap();
/// events.dispatch(&OrderPaid { order: 7 }).await.unwrap();
/// assert_eq!(queue.drain(&events).await.done, 1);
/// # });
/// ```
#[derive(Clone)]
pub struct MemoryQueue {
    capacity: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By the time of their next attempt, then in the order in which they came.
    waiting: BTreeMap<(DateTime<Utc>, u64), Job>,
    running: usize,
    parked: Vec<Parked>,
    next: u64,
    wakers: Vec<Waker>,
}

impl State {
    fn held(&self) -> usize {
        self.waiting.len() + self.running
    }

    fn insert(&mut self, job: Job) {
        self.next += 1;
        self.waiting.insert((job.run_at, self.next), job);
    }
}

/// A job that has failed for good.
#[derive(Clone, Debug)]
pub struct Parked {
    /// The job.
    pub job: Job,
    /// Why.
    pub failure: JobFailure,
}

/// What a drain did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Jobs that are done.
    pub done: usize,
    /// Jobs that are done because a model is gone.
    pub discarded: usize,
    /// Attempts that failed and will be followed by another.
    pub retried: usize,
    /// Jobs that have failed for good.
    pub parked: usize,
    /// Jobs that are not due yet.
    pub waiting: usize,
}

impl MemoryQueue {
    /// How many jobs it holds at most, unless told otherwise.
    pub const DEFAULT_CAPACITY: usize = 10_000;

    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// An empty queue that holds at most `capacity` jobs, waiting and running; parked ones are not counted.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            state: Arc::default(),
        }
    }

    /// How many jobs wait, due or not.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.state).waiting.len()
    }

    /// How many jobs run at this moment.
    #[must_use]
    pub fn running(&self) -> usize {
        lock(&self.state).running
    }

    /// When the next job is due.
    #[must_use]
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        let state = lock(&self.state);
        state.waiting.keys().next().map(|(at, _)| *at)
    }

    /// The jobs that have failed for good.
    #[must_use]
    pub fn parked(&self) -> Vec<Parked> {
        lock(&self.state).parked.clone()
    }

    /// Gives a parked job all its attempts again, due at once. Whether there was such a job.
    pub fn retry(&self, id: Uuid) -> bool {
        let mut state = lock(&self.state);
        let Some(index) = state.parked.iter().position(|parked| parked.job.id == id) else {
            return false;
        };
        let Parked { mut job, failure } = state.parked.remove(index);
        job.attempts = 0;
        job.expires_at = None;
        job.run_at = DateTime::<Utc>::MIN_UTC;
        state.insert(job);
        let wakers = std::mem::take(&mut state.wakers);
        // The failure's error is the listener's own, whose destructor may ask the queue.
        drop(state);
        drop(failure);
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    /// Runs every job that is due by the dispatcher's clock, one after the other, those that come meanwhile too.
    pub async fn drain(&self, events: &Events) -> Drained {
        let mut drained = Drained::default();
        while let Some(job) = self.claim(events.now()) {
            let mut running = Running {
                queue: self,
                job: Some(job),
            };
            let Some(job) = &running.job else { break };
            let attempt = async {
                let verdict = events.process(job).await;
                if let Verdict::Park(failure) = &verdict {
                    events.run_failed(job, failure, &Extensions::new()).await;
                }
                verdict
            };
            let verdict = attempt.instrument(events.job_span(job)).await;
            match verdict {
                Verdict::Done => drained.done += 1,
                Verdict::Discarded(_) => drained.discarded += 1,
                Verdict::Retry { .. } => drained.retried += 1,
                Verdict::Park(_) => drained.parked += 1,
            }
            running.end(verdict);
        }
        drained.waiting = self.waiting();
        drained
    }

    /// Runs jobs as they become due, for ever: spawn it, and drop or abort it to stop. A job whose run is dropped
    /// waits again, its attempt counted. `sleep` is the runtime's: `queue.run(events, tokio::time::sleep)`.
    pub async fn run<S: Future>(&self, events: Events, sleep: impl Fn(Duration) -> S) {
        loop {
            // What is pushed from here on, even during the drain, ends the wait after it.
            let seen = lock(&self.state).next;
            self.drain(&events).await;
            let wait = self
                .next_due()
                .map(|due| (due - events.now()).to_std().unwrap_or_default());
            match wait {
                Some(wait) => self.pushed_since(seen, pin!(sleep(wait))).await,
                None => {
                    self.pushed_since(seen, pin!(std::future::pending::<()>()))
                        .await;
                }
            }
        }
    }

    /// Ends when a job has come to wait since `next` was `seen`, or `timer` does.
    async fn pushed_since<S: Future>(&self, seen: u64, mut timer: std::pin::Pin<&mut S>) {
        poll_fn(|task| {
            {
                let mut state = lock(&self.state);
                if state.next != seen {
                    return Poll::Ready(());
                }
                if !state
                    .wakers
                    .iter()
                    .any(|waker| waker.will_wake(task.waker()))
                {
                    state.wakers.push(task.waker().clone());
                }
            }
            timer.as_mut().poll(task).map(drop)
        })
        .await;
    }

    /// Takes the job that has been due longest, and counts its attempt.
    fn claim(&self, now: DateTime<Utc>) -> Option<Job> {
        let mut state = lock(&self.state);
        let first = state.waiting.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let mut job = first.remove();
        job.attempts += 1;
        state.running += 1;
        Some(job)
    }

    /// Lets a job that was running wait again.
    fn put_back(&self, job: Job) {
        let wakers = {
            let mut state = lock(&self.state);
            state.running -= 1;
            state.insert(job);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    fn keep(&self, jobs: Vec<Job>) -> Result<(), PushError> {
        let wakers = {
            let mut state = lock(&self.state);
            let held = state.held();
            if held + jobs.len() > self.capacity {
                return Err(PushError::Full {
                    held,
                    capacity: self.capacity,
                });
            }
            for job in jobs {
                state.insert(job);
            }
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

/// A job that is running. Dropped without a verdict, the job waits again.
struct Running<'q> {
    queue: &'q MemoryQueue,
    job: Option<Job>,
}

impl Running<'_> {
    fn end(&mut self, verdict: Verdict) {
        let Some(mut job) = self.job.take() else {
            return;
        };
        match verdict {
            Verdict::Done | Verdict::Discarded(_) => lock(&self.queue.state).running -= 1,
            Verdict::Retry { at, .. } => {
                job.run_at = at;
                self.queue.put_back(job);
            }
            Verdict::Park(failure) => {
                let mut state = lock(&self.queue.state);
                state.running -= 1;
                state.parked.push(Parked { job, failure });
            }
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            self.queue.put_back(job);
        }
    }
}

impl Queue for MemoryQueue {
    fn capabilities(&self) -> &[Capability] {
        &[
            Capability::Tries,
            Capability::Backoff,
            Capability::Jitter,
            Capability::Delay,
            Capability::RetryFor,
            Capability::Failed,
            Capability::OnMissing,
        ]
    }

    fn push(&self, jobs: Vec<Job>) -> BoxFuture<'_, Result<(), PushError>> {
        Box::pin(std::future::ready(self.keep(jobs)))
    }

    fn push_sync(&self, jobs: Vec<Job>) -> Result<(), PushError> {
        self.keep(jobs)
    }
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        f.debug_struct("MemoryQueue")
            .field("waiting", &state.waiting.len())
            .field("running", &state.running)
            .field("parked", &state.parked.len())
            .finish_non_exhaustive()
    }
}
