//! The worker's loop.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use events_core::{Events, ParkReason};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use super::cycle::{self, Scope};
use super::job::{self, Outcome};
use super::{Left, Worker, WorkerError};
use crate::queue::claim::Claimed;
use crate::queue::end::Ended;
use crate::queue::presence::Presence;
use crate::queue::{reclaim, tend};
use crate::store::{Store, StoreError};

/// How often a worker looks after others, its own heartbeat included.
const LOOK_AFTER: Duration = Duration::from_millis(400);
/// How often finished and unknown jobs are tended.
const TEND: Duration = Duration::from_mins(1);
/// The longest wait after a failure of the database.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// Under load, ends of claims gather for so long, so that one transaction writes many.
const GATHER: Duration = Duration::from_millis(2);

pub(super) async fn run(
    worker: Worker,
    shutdown: impl Future<Output = ()>,
    drain: bool,
) -> Result<Left, WorkerError> {
    let mut scope = Scope::new(
        worker.queues.clone(),
        worker.limits.clone(),
        worker.events.claimable(),
    );
    let presence = Presence::enter(
        &worker.store,
        &worker.name,
        &scope.keys,
        worker.events.now(),
    )
    .await
    .map_err(WorkerError::Start)?;
    scope.worker = presence.id;
    let listening = crate::store::listen(&worker.store);
    let mut state = State {
        worker: &worker,
        scope,
        running: JoinSet::new(),
        held: BTreeMap::new(),
        by_queue: BTreeMap::new(),
        ended: Vec::new(),
        hanging: Vec::new(),
        alone: false,
        failures: 0,
        left: Left::default(),
    };
    let result = state.work(&presence, shutdown, drain).await;
    state.stop().await;
    let left = state.left;
    drop(listening);
    if let Err(error) = presence.leave(worker.store.writer()).await {
        tracing::warn!(%error, "the worker could not sign off: others will find it dead");
    }
    result.map(|()| left)
}

struct State<'w> {
    worker: &'w Worker,
    scope: Scope,
    running: JoinSet<Outcome>,
    /// The claims that run, by id.
    held: BTreeMap<i64, Claimed>,
    by_queue: BTreeMap<String, usize>,
    /// Ends that are not written yet.
    ended: Vec<Ended>,
    hanging: Vec<JoinHandle<()>>,
    /// Whether the job that runs must run alone.
    alone: bool,
    /// Failures of the database since its last success.
    failures: u32,
    left: Left,
}

impl State<'_> {
    async fn work(
        &mut self,
        presence: &Presence,
        shutdown: impl Future<Output = ()>,
        drain: bool,
    ) -> Result<(), WorkerError> {
        let mut shutdown = pin!(shutdown);
        let mut look_after = tokio::time::interval(LOOK_AFTER);
        look_after.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tend = tokio::time::interval(TEND);
        tend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pushed = self.worker.store.pushed().clone();
        let mut heartbeat = Instant::now();
        loop {
            self.hanging.retain(|thread| !thread.is_finished());
            if self.hanging.len() >= self.worker.concurrency {
                return Err(WorkerError::AllAbandoned(self.worker.concurrency));
            }
            // Told of pushes from here on, so that none between the claim and the wait is missed.
            let mut told = pin!(pushed.notified());
            told.as_mut().enable();
            let more = match self.turn().await {
                Ok(claimed) => {
                    self.failures = 0;
                    claimed > 0 && self.free() > 0
                }
                Err(error) => {
                    self.report(&error);
                    false
                }
            };
            if more {
                continue;
            }
            if drain && self.failures == 0 && self.running.is_empty() && self.ended.is_empty() {
                match cycle::anything_left(&self.worker.store, &self.scope).await {
                    Ok(false) => return Ok(()),
                    Ok(true) => {}
                    Err(error) => self.report(&error),
                }
            }
            let (pause, may_claim) = (self.pause(), self.failures == 0 && self.free() > 0);
            tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                Some(outcome) = self.running.join_next(), if !self.running.is_empty() => {
                    self.note(outcome);
                    self.gather().await;
                }
                () = &mut told, if may_claim => {}
                _ = look_after.tick() => {
                    if heartbeat.elapsed() * 3 >= self.worker.lapse {
                        heartbeat = Instant::now();
                        self.beat(presence).await;
                    }
                    self.reclaim().await;
                }
                _ = tend.tick() => self.tend().await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// How long to wait where nothing happens.
    fn pause(&self) -> Duration {
        if self.failures == 0 {
            return self.worker.poll;
        }
        let doubled = self.worker.poll * 2_u32.saturating_pow(self.failures.min(16));
        doubled.min(LONGEST_BACKOFF)
    }

    /// How many more jobs may run.
    fn free(&self) -> usize {
        if self.alone {
            return 0;
        }
        let taken = self.running.len() + self.hanging.len();
        self.worker.concurrency.saturating_sub(taken)
    }

    /// Writes the ends there are and claims as much as fits. The number of new claims.
    async fn turn(&mut self) -> Result<usize, StoreError> {
        let (store, now) = (&self.worker.store, self.worker.events.now());
        let free = self.free();
        let mut claimed = Vec::new();
        if free > 0 && self.running.is_empty() && self.ended.is_empty() {
            claimed = cycle::turn_alone(store, &self.scope, now).await?;
            self.alone = !claimed.is_empty();
        }
        if claimed.is_empty() && (free > 0 || !self.ended.is_empty()) {
            let ended = &self.ended;
            claimed = cycle::turn(store, &self.scope, ended, free, &self.by_queue, now).await?;
            self.ended.clear();
        }
        let count = claimed.len();
        for claimed in claimed {
            self.start(claimed);
        }
        Ok(count)
    }

    fn start(&mut self, claimed: Claimed) {
        *self.by_queue.entry(claimed.job.queue.clone()).or_default() += 1;
        self.held.insert(claimed.id, claimed.clone());
        let listener = self.scope.listener(&claimed).cloned();
        self.running.spawn(job::run(
            self.worker.events.clone(),
            self.worker.store.clone(),
            claimed,
            listener,
        ));
    }

    /// Notes that a run has ended.
    fn note(&mut self, outcome: Result<Outcome, tokio::task::JoinError>) {
        match outcome {
            Ok(Outcome { ended, hangs }) => {
                self.held.remove(&ended.claimed.id);
                if let Some(running) = self.by_queue.get_mut(&ended.claimed.job.queue) {
                    *running = running.saturating_sub(1);
                }
                self.left.ended += 1;
                self.ended.push(ended);
                self.hanging.extend(hangs);
            }
            Err(error) => {
                tracing::error!(%error, "the run of a job was stopped: its claim is given back at the end")
            }
        }
        if self.running.is_empty() {
            self.alone = false;
        }
    }

    /// Under load, lets more runs end before their ends are written together.
    async fn gather(&mut self) {
        let until = Instant::now() + GATHER;
        let enough = self.worker.concurrency / 2;
        while self.running.len() > enough {
            let next = tokio::time::timeout_at(until, self.running.join_next());
            match next.await {
                Ok(Some(outcome)) => self.note(outcome),
                Ok(None) | Err(_) => break,
            }
        }
        while let Some(outcome) = self.running.try_join_next() {
            self.note(outcome);
        }
    }

    async fn beat(&mut self, presence: &Presence) {
        let (store, now) = (&self.worker.store, self.worker.events.now());
        match presence.beat(store.writer(), now).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                worker = presence.id,
                "others took this worker for dead: what it ran is run again"
            ),
            Err(error) => self.report(&error.into()),
        }
    }

    /// Takes over from workers that died.
    async fn reclaim(&mut self) {
        let (worker, now) = (self.worker, self.worker.events.now());
        match reclaim::reclaim(&worker.store, self.scope.worker, now, worker.lapse).await {
            Ok(crashed) => {
                for claimed in crashed {
                    self.ended.push(conclude(&worker.events, claimed).await);
                }
            }
            Err(error) => self.report(&error),
        }
    }

    async fn tend(&mut self) {
        let (store, now) = (&self.worker.store, self.worker.events.now());
        if let Err(error) = tend::park_unknown(store, now).await {
            self.report(&error);
        }
        if let Some(retention) = self.worker.retention {
            while let Ok(true) = tend::forget_done(store, retention, now).await {
                tokio::task::yield_now().await;
            }
        }
    }

    fn report(&mut self, error: &StoreError) {
        self.failures = self.failures.saturating_add(1);
        tracing::error!(%error, failures = self.failures, "the worker's database failed: it will be tried again");
    }

    /// Lets running jobs end within the grace time, and gives the rest back.
    async fn stop(&mut self) {
        let until = Instant::now() + self.worker.grace;
        while !self.running.is_empty() {
            match tokio::time::timeout_at(until, self.running.join_next()).await {
                Ok(Some(outcome)) => self.note(outcome),
                Ok(None) | Err(_) => break,
            }
        }
        let (store, now): (&Store, _) = (&self.worker.store, self.worker.events.now());
        let rest: Vec<Claimed> = self.held.values().cloned().collect();
        self.running.abort_all();
        let none = BTreeMap::new();
        if let Err(error) = cycle::turn(store, &self.scope, &self.ended, 0, &none, now).await {
            tracing::error!(%error, "the ends of the last jobs could not be written: they will be run again");
        }
        if !rest.is_empty() {
            match cycle::release(store, &rest, now).await {
                Ok(()) => self.left.released = rest.len(),
                Err(error) => {
                    tracing::error!(%error, "the last jobs could not be given back: others will find them");
                }
            }
        }
        self.hanging.retain(|thread| !thread.is_finished());
        self.left.abandoned = self.hanging.len();
    }
}

/// What follows the death of a process in a job's attempt.
async fn conclude(events: &Events, claimed: Claimed) -> Ended {
    let verdict = events
        .conclude(
            &claimed.job,
            ParkReason::Crashed,
            "the process died while the listener ran",
        )
        .await;
    Ended { claimed, verdict }
}
