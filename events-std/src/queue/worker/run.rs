//! The worker's loop.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use sea_orm::SqlErr;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use super::cycle::{self, Scope};
use super::floor::Floors;
use super::runs::Runs;
use super::{Left, Worker, WorkerError};
use crate::queue::end::{End, Ended};
use crate::queue::presence::{Card, Presence};
use crate::queue::reclaim::{self, Watch};
use crate::queue::tend;
use crate::store::StoreError;

/// How often a worker looks after others, its own heartbeat included.
const LOOK_AFTER: Duration = Duration::from_millis(400);
/// How often finished and unknown jobs are tended.
const TEND: Duration = Duration::from_mins(1);
/// How soon again, if there was more than was done at once.
const TEND_MORE: Duration = Duration::from_millis(20);
/// The longest wait after a failure of the database.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// A job that must run alone waits so long for a moment in which nothing runs; then nothing new is begun before it.
const ALONE_WAITS: Duration = Duration::from_millis(400);
/// How long the end may take beyond the grace time, where the database is away.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(super) async fn run(
    worker: Worker,
    shutdown: impl Future<Output = ()>,
    drain: bool,
) -> Result<Left, WorkerError> {
    let stop = Notify::new();
    // Polled whatever the worker waits for: it may itself use the store, whose one writer the worker then waits for.
    let watch = async {
        shutdown.await;
        stop.notify_one();
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        result = work(&worker, &stop, drain) => result,
        never = watch => match never {},
    }
}

async fn work(worker: &Worker, stop: &Notify, drain: bool) -> Result<Left, WorkerError> {
    let mut scope = Scope::new(
        worker.store.backend(),
        worker.queues.clone(),
        worker.limits.clone(),
        worker.events.claimable(),
    );
    let Some(presence) = enter(worker, &scope, stop).await? else {
        return Ok(Left::default());
    };
    scope.worker = presence.id;
    let listening = crate::store::listen(&worker.store);
    let mut state = State {
        runs: Runs::new(worker, presence.lock()),
        floors: Floors::default(),
        worker,
        scope,
        presence,
        beaten: Instant::now(),
        watch: Watch::default(),
        alone_waits: false,
        spare: 1,
        stopping: false,
        in_doubt: false,
        failures: 0,
    };
    let result = state.work(stop, drain).await;
    let left = state.stop().await;
    drop(listening);
    if let Err(error) = state.presence.leave(worker.store.writer()).await {
        tracing::warn!(%error, "the worker could not sign off: others will find it dead");
    }
    result.map(|()| left)
}

/// What others are told of the worker.
fn card<'c>(worker: &'c Worker, scope: &'c Scope) -> Card<'c> {
    Card {
        name: &worker.name,
        claims: &scope.keys,
        queues: &scope.queue_list,
        lapse: worker.lapse,
    }
}

/// Enters the worker, in several tries if the database is away. None: the shutdown came first.
async fn enter(
    worker: &Worker,
    scope: &Scope,
    stop: &Notify,
) -> Result<Option<Presence>, WorkerError> {
    let until = Instant::now() + worker.start_within;
    let mut pause = worker.poll.min(LONGEST_BACKOFF);
    loop {
        let (store, now) = (&worker.store, worker.events.now());
        match Presence::enter(store, card(worker, scope), now).await {
            Ok(presence) => return Ok(Some(presence)),
            Err(error) if Instant::now() + pause >= until => return Err(WorkerError::Start(error)),
            Err(error) => {
                tracing::error!(%error, "the worker could not start: it will try again");
            }
        }
        tokio::select! {
            biased;
            () = stop.notified() => return Ok(None),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_BACKOFF);
    }
}

/// Whether a claim failed because another, which it could not see yet, took a job of the same order key: as when an
/// operator retries an earlier job of a key whose next is being claimed.
fn is_overtaken(error: &StoreError) -> bool {
    let StoreError::Database(error) = error else {
        return false;
    };
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

struct State<'w> {
    worker: &'w Worker,
    scope: Scope,
    presence: Presence,
    /// When others were last told that this worker lives.
    beaten: Instant,
    watch: Watch,
    runs: Runs,
    floors: Floors,
    /// Whether a job that must run alone has waited long enough.
    alone_waits: bool,
    /// How many more could have run than the last claim found.
    spare: usize,
    /// Whether the shutdown has begun: nothing new is claimed.
    stopping: bool,
    /// Whether the store may hold claims that this worker does not know to be its own.
    in_doubt: bool,
    /// Failures of the database since its last success.
    failures: u32,
}

impl State<'_> {
    async fn work(&mut self, stop: &Notify, drain: bool) -> Result<(), WorkerError> {
        let mut look_after = tokio::time::interval(LOOK_AFTER);
        look_after.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tend = tokio::time::interval(TEND);
        tend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pushed = self.worker.store.pushed().clone();
        loop {
            if self.runs.hanging() >= self.worker.concurrency {
                return Err(WorkerError::AllAbandoned(self.worker.concurrency));
            }
            let there = self.worker.store.check_file();
            there.map_err(WorkerError::FileGone)?;
            // After a long sleep, as of a process that was stopped, others may have taken over.
            if self.beaten.elapsed() > self.worker.lapse / 2 {
                self.beat().await;
            }
            // Told of pushes from here on, so that none between the claim and the wait is missed.
            let mut told = pin!(pushed.notified());
            told.as_mut().enable();
            match self.turn().await {
                Ok(()) => self.failures = 0,
                Err(error) if is_overtaken(&error) => {
                    tracing::debug!(%error, "another worker was faster with a job of a key: claiming anew");
                }
                Err(error) => self.report(&error),
            }
            if drain && self.failures == 0 && self.runs.is_idle() {
                match cycle::anything_left(&self.worker.store, &self.scope).await {
                    Ok(false) => return Ok(()),
                    Ok(true) => {}
                    Err(error) => self.report(&error),
                }
            }
            let (pause, may_claim) = (self.pause(), self.failures == 0 && self.free() > 0);
            // What must not wait for ever comes before what there may always be more of.
            tokio::select! {
                biased;
                () = stop.notified() => return Ok(()),
                _ = look_after.tick() => self.look_after().await,
                _ = tend.tick() => {
                    if self.tend().await {
                        tend.reset_after(TEND_MORE);
                    }
                }
                () = self.runs.next(), if self.runs.any() => self.runs.gather().await,
                () = &mut told, if may_claim => {}
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
        if self.alone_waits || self.stopping {
            0
        } else {
            self.runs.free(self.worker.concurrency)
        }
    }

    /// Writes the ends there are and claims as much as fits.
    async fn turn(&mut self) -> Result<(), StoreError> {
        let (store, now) = (&self.worker.store, self.worker.events.now());
        if self.in_doubt {
            let known = self.runs.holds();
            for hold in cycle::unknown_claims(store, &self.scope, &known).await? {
                let end = End::GivenBack;
                self.runs.ended.push(Ended { hold, end });
            }
        }
        // From the begin on a failure leaves open what was committed.
        self.in_doubt = true;
        // A worker that finds as much as it can run looks for jobs that must run alone when it looks after others.
        if self.runs.is_idle() && (self.alone_waits || self.spare > 0) {
            self.alone_waits = false;
            if self.free() > 0 {
                let claimed = cycle::turn_alone(store, &self.scope, now).await?;
                self.runs.alone = !claimed.is_empty();
                self.runs.start(&self.scope, claimed);
            }
        }
        let free = self.free();
        if free > 0 || !self.runs.ended.is_empty() {
            let (ended, running) = (&self.runs.ended, &self.runs.by_queue);
            let floors = &mut self.floors;
            let claimed =
                cycle::turn(store, &self.scope, ended, free, running, floors, now).await?;
            self.runs.ended.clear();
            self.spare = free - claimed.len();
            self.runs.start(&self.scope, claimed);
        }
        self.in_doubt = false;
        Ok(())
    }

    /// Looks after this worker's sign of life, the jobs of those that died, and jobs that must run alone.
    async fn look_after(&mut self) {
        if self.beaten.elapsed() * 3 >= self.worker.lapse {
            self.beat().await;
        }
        let (worker, now) = (self.worker, self.worker.events.now());
        let watch = &mut self.watch;
        match reclaim::reclaim(&worker.store, self.scope.worker, watch, now).await {
            Ok(crashed) => self.runs.conclude_crashed(&self.scope, crashed),
            Err(error) => {
                self.in_doubt = true;
                self.report(&error);
            }
        }
        if self.runs.any() || self.spare == 0 {
            match cycle::alone_waits(&worker.store, &self.scope, ALONE_WAITS, now).await {
                Ok(waits) => self.alone_waits = waits,
                Err(error) => self.report(&error),
            }
        }
    }

    async fn beat(&mut self) {
        let (store, now) = (&self.worker.store, self.worker.events.now());
        match self.presence.beat(store.writer(), now).await {
            Ok(true) => self.beaten = Instant::now(),
            Ok(false) => self.enter_anew().await,
            Err(error) => self.report(&error.into()),
        }
    }

    /// Others took this worker for dead: what it ran is run again elsewhere, so that it stops here.
    async fn enter_anew(&mut self) {
        let (worker, now) = (self.worker, self.worker.events.now());
        tracing::warn!(
            worker = self.presence.id,
            running = self.runs.count(),
            "others took this worker for dead: it starts anew"
        );
        self.runs.forget_all();
        match Presence::enter(&worker.store, card(worker, &self.scope), now).await {
            Ok(presence) => {
                self.scope.worker = presence.id;
                self.runs.means.lock = presence.lock();
                self.presence = presence;
                self.beaten = Instant::now();
            }
            Err(error) => self.report(&error),
        }
    }

    /// Whether there is more to do.
    async fn tend(&mut self) -> bool {
        let (worker, now) = (self.worker, self.worker.events.now());
        let mut more = false;
        match tend::park_unknown(&worker.events, &worker.store, now).await {
            Ok(unknown) => more |= unknown,
            Err(error) => self.report(&error),
        }
        if let Some(retention) = worker.retention {
            match tend::forget_done(&worker.store, retention, now).await {
                Ok(done) => more |= done,
                Err(error) => self.report(&error),
            }
        }
        more
    }

    /// Whether nothing that this worker says is kept any more.
    fn is_in_vain(&self) -> bool {
        self.worker.store.check_file().is_err()
    }

    fn report(&mut self, error: &StoreError) {
        self.failures = self.failures.saturating_add(1);
        tracing::error!(%error, failures = self.failures, "the worker's database failed: it will be tried again");
    }

    /// Lets running jobs end within the grace time, and gives the rest back.
    async fn stop(&mut self) -> Left {
        let until = Instant::now() + self.worker.grace;
        self.stopping = true;
        while !self.runs.is_idle() && !self.is_in_vain() {
            let written = self.turn().await;
            match &written {
                Ok(()) => self.failures = 0,
                Err(error) => self.report(error),
            }
            if self.runs.is_idle() {
                break;
            }
            if self.beaten.elapsed() * 3 >= self.worker.lapse {
                self.beat().await;
            }
            let pause = if written.is_ok() {
                self.worker.lapse / 3
            } else {
                self.pause()
            };
            tokio::select! {
                biased;
                () = self.runs.next(), if self.runs.any() => self.runs.gather().await,
                () = tokio::time::sleep_until(until) => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        let released = self.runs.give_back().await;
        let until = Instant::now() + LAST_WORDS;
        while let Err(error) = self.turn().await {
            self.report(&error);
            if Instant::now() >= until || self.is_in_vain() {
                tracing::error!("the last jobs could not be given back: others will find them");
                return self.runs.left(0);
            }
            tokio::time::sleep(self.pause().min(LAST_WORDS / 10)).await;
        }
        self.runs.left(released)
    }
}
