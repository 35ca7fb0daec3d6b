//! The worker's loop: what it does in turn while it works, and until it has stopped.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, timeout_at};

use super::runs::Runs;
use super::share::Share;
use super::sources::{Sources, Terms};
use super::stop::{PATIENCE, Stop};
use super::{Left, Worker, WorkerError};
use crate::queue::handoff::{Answer, Offer};
use crate::queue::presence::{Card, Presence};
use crate::queue::reclaim::{self, Watch};
use crate::store::{Listening, StoreError, answered};

/// How often a worker looks after others, its own heartbeat included.
const LOOK_AFTER: Duration = Duration::from_millis(400);
/// How often finished and unknown jobs are tended.
const TEND: Duration = Duration::from_mins(1);
/// How soon again, if there was more than was done at once.
const TEND_MORE: Duration = Duration::from_millis(20);
/// The longest wait after a failure of the database.
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// A job that must run alone waits so long for a moment in which nothing runs; then nothing new is begun before it.
const ALONE_WAITS: Duration = Duration::from_millis(400);
/// How often a worker looks whether what keeps it from running something has ended: that is in another worker of the
/// process.
const OTHERS_END: Duration = Duration::from_millis(20);
/// How long the end may take beyond the grace time, where the database is away.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// When a worker ends that is not told to.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// It does not.
    Told,
    /// Nothing is pending or running that it may claim.
    Drained,
    /// Nothing of it is due.
    NothingIsDue,
}

pub(super) struct State<'w> {
    worker: &'w Worker,
    sources: Sources,
    /// What others are told of the worker.
    card: Card<'w>,
    presence: Presence,
    /// Wakes it when others push.
    listening: Listening,
    /// What pushes of this process may hand it while it is idle.
    offer: Offer,
    /// When others were last told that this worker lives.
    beaten: Instant,
    watch: Watch,
    runs: Runs,
    /// Whether something that must run alone has waited long enough.
    alone_waits: bool,
    /// Its part of what the process runs.
    share: Share,
    /// How many more could have run than the last claim found.
    spare: usize,
    /// Whether the shutdown has begun: nothing new is claimed.
    stopping: bool,
    /// Whether the store may hold claims that this worker does not know to be its own.
    in_doubt: bool,
    /// Failures of the database since its last success.
    failures: u32,
}

impl<'w> State<'w> {
    pub(super) fn new(
        worker: &'w Worker,
        sources: Sources,
        card: Card<'w>,
        presence: Presence,
    ) -> Self {
        let share = Share::of(&worker.store);
        Self {
            runs: Runs::new(worker, presence.lock()),
            offer: sources.offer(Arc::new(share.runs())),
            worker,
            sources,
            card,
            presence,
            listening: crate::store::listen(&worker.store),
            beaten: Instant::now(),
            watch: Watch::default(),
            alone_waits: false,
            share,
            spare: 1,
            stopping: false,
            in_doubt: false,
            failures: 0,
        }
    }
}

impl State<'_> {
    /// Works until it is to stop, and stops: what came of it, what was left, and the presence that is to end.
    pub(super) async fn run(
        mut self,
        stop: &Stop,
        until: Until,
    ) -> (Result<(), WorkerError>, Left, Presence) {
        let ended = stop.bound(self.work(stop, until)).await;
        // What was under way may have been done, or not.
        self.in_doubt |= ended.is_none();
        let left = self.stop(stop.since()).await;
        (ended.unwrap_or(Ok(())), left, self.presence)
    }

    async fn work(&mut self, stop: &Stop, until: Until) -> Result<(), WorkerError> {
        let mut look_after = tokio::time::interval(LOOK_AFTER);
        look_after.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tend = tokio::time::interval(TEND);
        tend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pushed = self.worker.store.pushed().clone();
        let mut told = pin!(pushed.notified());
        told.as_mut().enable();
        let mut tended = false;
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
            if told.as_mut().enable() {
                // Told of pushes from here on, so that none between the claim and the wait is missed.
                told.set(pushed.notified());
                told.as_mut().enable();
                self.sources.told();
            }
            let (store, within) = (&self.worker.store, self.worker.answer_within);
            match answered(store, within, self.turn()).await {
                Ok(()) => self.failures = 0,
                Err(error) => self.report(&error),
            }
            if self.failures == 0 && self.is_idle() {
                match answered(store, within, self.goes_on(until)).await {
                    Ok(false) if tended => return Ok(()),
                    // A program that never works for long tends all the same, and this may find something to do.
                    Ok(false) => {
                        let more = self.tend().await;
                        tended = self.failures == 0 && !more;
                        if self.failures == 0 {
                            continue;
                        }
                    }
                    Ok(true) => {}
                    Err(error) => self.report(&error),
                }
            }
            let (pause, may_claim) = (self.pause(), self.failures == 0 && self.free() > 0);
            // What must not wait for ever comes before what there may always be more of.
            tokio::select! {
                biased;
                () = stop.begun() => return Ok(()),
                _ = look_after.tick() => self.look_after().await,
                _ = tend.tick() => {
                    if self.tend().await {
                        tend.reset_after(TEND_MORE);
                    }
                }
                () = self.runs.next(), if self.runs.any() => self.runs.gather().await,
                () = self.offer.answered() => {}
                () = &mut told, if may_claim => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Whether there is something to wait for, where nothing runs.
    async fn goes_on(&mut self, until: Until) -> Result<bool, StoreError> {
        match until {
            Until::Told => Ok(true),
            Until::Drained => self.sources.anything_left().await,
            Until::NothingIsDue => {
                let now = self.worker.events.now();
                let due = self.sources.anything_due(now).await?;
                if due {
                    // Whoever has it must not rest meanwhile.
                    self.sources.told();
                }
                Ok(due)
            }
        }
    }

    /// How long to wait where nothing happens.
    fn pause(&self) -> Duration {
        if self.failures == 0 && self.share.yields {
            return self.worker.poll.min(OTHERS_END);
        }
        if self.failures == 0 {
            return self.worker.poll;
        }
        let times = 2_u32.saturating_pow(self.failures.min(16));
        let doubled = self.worker.poll.saturating_mul(times);
        doubled.min(LONGEST_BACKOFF)
    }

    /// How many more jobs may run.
    fn free(&self) -> usize {
        self.runs.free(self.places())
    }

    /// How many may run at once, as things stand.
    fn places(&self) -> usize {
        if self.alone_waits || self.stopping {
            0
        } else {
            self.worker.concurrency
        }
    }

    /// Nothing runs, and every end is written.
    fn is_idle(&mut self) -> bool {
        self.runs.is_idle() && !self.sources.wants_turn()
    }

    fn terms(&self) -> Terms {
        Terms {
            worker: self.presence.id,
            places: self.places(),
            now: self.worker.events.now(),
        }
    }

    /// Writes the ends there are and claims as much as fits.
    async fn turn(&mut self) -> Result<(), StoreError> {
        let handed = self.take_handed().await;
        self.sources.note(&mut self.runs);
        let more = self.in_doubt || self.sources.wants_turn() || self.sources.have_news();
        if handed && !more {
            // Nothing else has happened since the last claim; the next one follows the end of this job.
            return Ok(());
        }
        if self.in_doubt {
            self.sources.recover(self.presence.id).await?;
        }
        // From the begin on a failure leaves open what was committed.
        self.in_doubt = true;
        self.share.yields = false;
        if self.alone_waits && self.is_idle() {
            self.turn_alone().await?;
        }
        if !self.runs.alone && !self.share.yields {
            self.share.not_alone();
        }
        let mut terms = self.terms();
        if self.runs.free(terms.places) > 0 && (self.share.yields || !self.share.run()) {
            self.share.yields = true;
            terms.places = 0;
        }
        self.sources.turn(&mut self.runs, terms).await?;
        // What was just pushed comes first: it shall not wait for the look. A worker that always finds something looks
        // when it looks after others.
        if self.is_idle() && !self.share.yields {
            self.turn_alone().await?;
        }
        if self.is_idle() {
            self.share.rest();
            if !self.share.yields {
                self.share.not_alone();
            }
        }
        self.spare = self.free();
        self.in_doubt = false;
        if self.is_idle() && !self.share.yields && self.free() > 0 {
            self.offer.open(self.presence.id);
        }
        Ok(())
    }

    /// Takes back what it offers; whether it has begun a job that was handed to it.
    async fn take_handed(&mut self) -> bool {
        match self.offer.close().await {
            Answer::Nothing => false,
            Answer::Doubt => {
                self.in_doubt = true;
                false
            }
            Answer::Job(claimed) => {
                // Others may have taken this worker for dead, as after a long sleep, and run it.
                let lives = self.beaten.elapsed() <= self.worker.lapse / 2;
                let begins = lives && !self.stopping && !self.runs.alone && self.share.run();
                self.sources.handed(&mut self.runs, *claimed, begins);
                begins
            }
        }
    }

    /// Begins what must run alone, where nothing runs here nor in another worker of the process.
    async fn turn_alone(&mut self) -> Result<(), StoreError> {
        self.alone_waits = false;
        let terms = self.terms();
        if terms.places == 0 || !self.sources.alone_waits(terms.now).await? {
            return Ok(());
        }
        self.share.yields = !self.share.run_alone();
        // Others begin nothing more, and it is the first thing here once they have ended.
        self.alone_waits = self.share.yields;
        if !self.share.yields {
            self.sources.turn_alone(&mut self.runs, terms).await?;
        }
        Ok(())
    }

    /// Looks after this worker's sign of life, the claims of those that died, and what must run alone.
    async fn look_after(&mut self) {
        // It may take long: what is pushed meanwhile is anybody's.
        self.take_handed().await;
        if self.beaten.elapsed() * 3 >= self.worker.lapse {
            self.beat().await;
        }
        let (worker, now) = (self.worker, self.worker.events.now());
        let watch = &mut self.watch;
        let (store, within) = (&worker.store, worker.answer_within);
        let reclaiming = reclaim::reclaim(store, self.presence.id, watch, now);
        match answered(store, within, reclaiming).await {
            Ok(crashed) => self.sources.conclude_crashed(&mut self.runs, crashed),
            Err(error) => {
                self.in_doubt = true;
                self.watch.forget();
                self.report(&error);
            }
        }
        if self.runs.any() || self.spare == 0 {
            let waits = self.sources.alone_waits(now - ALONE_WAITS);
            match answered(store, within, waits).await {
                Ok(waits) => self.alone_waits = waits,
                Err(error) => self.report(&error),
            }
        }
    }

    async fn beat(&mut self) {
        let (store, now) = (&self.worker.store, self.worker.events.now());
        let beating = self.presence.beat(store.writer(), now);
        match answered(store, self.worker.answer_within, beating).await {
            Ok(true) => self.beaten = Instant::now(),
            Ok(false) => self.enter_anew().await,
            Err(error) => {
                self.watch.forget();
                self.report(&error);
            }
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
        self.sources.forget_all();
        self.offer.renew();
        let entering = Presence::enter(&worker.store, self.card, now);
        match answered(&worker.store, worker.answer_within, entering).await {
            Ok(presence) => {
                self.runs.means.lock = presence.lock();
                self.presence = presence;
                self.beaten = Instant::now();
            }
            Err(error) => self.report(&error),
        }
    }

    /// Whether there is more to do.
    async fn tend(&mut self) -> bool {
        // It may take long: what is pushed meanwhile is anybody's.
        self.take_handed().await;
        // What was committed late, as on its way through a machine that was away, may be this worker's own.
        self.in_doubt = true;
        let (terms, worker) = (self.terms(), self.worker);
        let tending = self.sources.tend(&self.runs, terms);
        match answered(&worker.store, worker.answer_within, tending).await {
            Ok(more) => more,
            Err(error) => {
                self.report(&error);
                false
            }
        }
    }

    /// Whether nothing that this worker says is kept any more.
    fn is_in_vain(&self) -> bool {
        self.worker.store.check_file().is_err()
    }

    fn report(&mut self, error: &StoreError) {
        self.failures = self.failures.saturating_add(1);
        if matches!(error, StoreError::NoAnswer(_)) && !self.stopping {
            // The connection that was told of pushes waits in vain too.
            self.listening = crate::store::listen(&self.worker.store);
        }
        tracing::error!(%error, failures = self.failures, "the worker's database failed: it will be tried again");
    }

    /// Lets running jobs end within the grace time, and gives the rest back. The database may be silent: each wait for
    /// it has an end.
    async fn stop(&mut self, since: Instant) -> Left {
        let until = since + self.worker.grace;
        let patience = until.max(since + PATIENCE);
        self.stopping = true;
        self.take_handed().await;
        while !self.is_idle() && !self.is_in_vain() {
            let written = timeout_at(patience, self.turn()).await;
            match &written {
                Ok(Ok(())) => self.failures = 0,
                Ok(Err(error)) => self.report(error),
                Err(_) => break,
            }
            if self.is_idle() {
                break;
            }
            if self.beaten.elapsed() * 3 >= self.worker.lapse
                && timeout_at(patience, self.beat()).await.is_err()
            {
                break;
            }
            let pause = if self.failures == 0 {
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
        loop {
            match timeout_at(until, self.turn()).await {
                Ok(Ok(())) => return self.runs.left(released),
                Ok(Err(error)) => self.report(&error),
                Err(_) => self.report(&StoreError::NoAnswer(LAST_WORDS)),
            }
            if Instant::now() >= until || self.is_in_vain() {
                tracing::error!("the last jobs could not be given back: others will find them");
                return Left {
                    held: released,
                    ..self.runs.left(0)
                };
            }
            tokio::time::sleep(self.pause().min(LAST_WORDS / 10)).await;
        }
    }
}
