//! The scheduler: starts due runs, and looks after those whose process died.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::lease::take_lapsed;
use super::patience::Stop;
use super::start::When;
use super::{SyncRunError, SyncStart};
use crate::integration::Integrations;

/// Why a run whose process died is closed.
const DIED: &str = "the process that enumerated the items gave no sign of life";

/// Starts the sync runs that are due. Any number of schedulers may run at once, on any number of machines: whoever
/// begins a run first has it.
///
/// Healthy integrations are due by their interval, degraded and failing ones later, disabled ones never; one whose run
/// is not closed yet is not due. Each scheduler also closes runs whose process died while it enumerated, reconciles runs
/// whose last item has ended, and forgets what is older than the retention. The items themselves are run by workers: see
/// [`Worker::sync_items`](crate::Worker::sync_items).
///
/// ```no_run
/// # async fn run(integrations: events_std::Integrations) {
/// use events_std::Scheduler;
///
/// Scheduler::new(&integrations).concurrency(8).run_until(async { /* tokio::signal::ctrl_c().await */ }).await;
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a scheduler does nothing until it runs"]
pub struct Scheduler {
    integrations: Integrations,
    concurrency: usize,
    poll: Duration,
}

/// How long the end may take, where the database is away.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long one look after runs may take. A listener that never ends would keep it, and all that it comes to, for ever.
const LONGEST_LOOK: Duration = Duration::from_mins(10);

/// How long an integration is left out whose run could not be begun, so that it takes no place from the others.
const LEFT_OUT: Duration = Duration::from_mins(1);

impl Scheduler {
    /// A scheduler that enumerates 4 runs at once, and looks for due ones every 5 s.
    pub fn new(integrations: &Integrations) -> Self {
        Self {
            integrations: integrations.clone(),
            concurrency: 4,
            poll: Duration::from_secs(5),
        }
    }

    /// How many runs it enumerates at once, at least 1.
    pub fn concurrency(mut self, runs: usize) -> Self {
        self.concurrency = runs.max(1);
        self
    }

    /// How often it looks for due runs, 10 ms at least.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll = interval.max(Duration::from_millis(10));
        self
    }

    /// Works until `shutdown` is ready. Runs that it enumerates then are stopped, and closed as failed: the next ones
    /// start over from the same cursor. It ends within 5 s.
    ///
    /// A database that is away is reported and tried again. An integration whose run cannot be begun, as where its
    /// credentials cannot be decrypted, is reported, and tried again in a minute. Of a provider that this program does not
    /// know, though there are integrations of it, it warns once.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut running = Enumerations::default();
        let mut looks = Looks::default();
        let mut poll = interval(self.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = looks.tasks.join_next(), if !looks.tasks.is_empty() => {}
                Some(ended) = running.tasks.join_next(), if !running.tasks.is_empty() => running.note(ended),
                _ = poll.tick() => {
                    looks.start(&self);
                    let due = tokio::select! {
                        biased;
                        () = &mut shutdown => break,
                        due = self.integrations.due_for_sync() => due,
                    };
                    match due {
                        Ok(due) => self.start(&mut running, due),
                        Err(error) => {
                            tracing::error!(%error, "the scheduler's database failed: it will be tried again");
                        }
                    }
                }
            }
        }
        tokio::join!(running.stop(), looks.stop());
    }

    /// Enumerates every run that is due now, and returns when all are: what each start came to. For a program that is
    /// itself started on a schedule, and for tests. Then forgets what is older than the retention.
    ///
    /// # Errors
    ///
    /// If the database fails; or if a run could not be begun or ended, as where credentials cannot be decrypted: the
    /// first such error, after all other runs are enumerated.
    pub async fn run_due(&self) -> Result<Vec<SyncStart>, SyncRunError> {
        self.look_after().await?;
        let (mut started, mut failed) = (Vec::new(), None);
        let mut running = Enumerations::default();
        let mut note = |ended: Joined| match ended.map(|(_, ended)| ended) {
            Ok(Ok(start)) => started.push(start),
            Ok(Err(error)) => failed = failed.take().or(Some(error)),
            Err(error) => tracing::error!(%error, "a sync fell over"),
        };
        for id in self.integrations.due_for_sync().await? {
            while running.tasks.len() >= self.concurrency {
                if let Some(ended) = running.tasks.join_next().await {
                    note(ended);
                }
            }
            running.start(&self.integrations, id);
        }
        while let Some(ended) = running.tasks.join_next().await {
            note(ended);
        }
        self.tend(self.integrations.events().now()).await;
        failed.map_or(Ok(started), Err)
    }

    /// Closes runs whose process died, and reconciles those that are due. One run that cannot be closed keeps no other.
    async fn look_after(&self) -> Result<(), SyncRunError> {
        for lapsed in take_lapsed(&self.integrations).await? {
            let (run, integration) = (lapsed.lease.run_id, lapsed.integration_id);
            tracing::warn!(run, integration, "{DIED}: its run is closed");
            if let Err(error) = self.integrations.fail_run(lapsed.lease, DIED).await {
                tracing::error!(run, integration, %error, "the run cannot be closed: it will be tried again");
            }
        }
        self.integrations.reconcile().await?;
        Ok(())
    }

    /// What it does now and then.
    async fn tend(&self, now: DateTime<Utc>) {
        if let Err(error) = self.integrations.warn_of_unknown_providers().await {
            tracing::error!(%error, "the providers of the integrations could not be looked at: it will be tried again");
        }
        self.integrations.forget_old(now).await;
    }

    /// Starts what is due and finds a place.
    fn start(&self, running: &mut Enumerations, due: Vec<i64>) {
        running
            .left_out
            .retain(|_, since| since.elapsed() < LEFT_OUT);
        let free = self.concurrency.saturating_sub(running.tasks.len());
        let due = due
            .into_iter()
            .filter(|id| !running.left_out.contains_key(id));
        for id in due.take(free).collect::<Vec<_>>() {
            running.start(&self.integrations, id);
        }
    }
}

/// What a scheduler does beside its enumerations, in a task of its own: whatever waits for ever there keeps neither the
/// next runs nor the end.
#[derive(Default)]
struct Looks {
    /// One at most.
    tasks: JoinSet<()>,
}

impl Looks {
    /// Starts the next look, unless the last one goes on.
    fn start(&mut self, scheduler: &Scheduler) {
        if !self.tasks.is_empty() {
            return;
        }
        let prunes = scheduler.integrations.is_time_to_forget();
        let (scheduler, events) = (scheduler.clone(), scheduler.integrations.events());
        let now = events.now();
        let look = async move {
            let look = async {
                if let Err(error) = scheduler.look_after().await {
                    tracing::error!(%error, "the scheduler's database failed: it will be tried again");
                }
                if prunes {
                    scheduler.tend(now).await;
                }
            };
            if tokio::time::timeout(LONGEST_LOOK, look).await.is_err() {
                tracing::error!(
                    "the look after sync runs is given up after {} minutes: does an inline listener wait for ever?",
                    LONGEST_LOOK.as_secs() / 60
                );
            }
        };
        let look = events.scope(look).in_current_span();
        self.tasks.spawn(look.with_current_subscriber());
    }

    /// Waits until the look has ended, but not for ever.
    async fn stop(self) {
        let ended = tokio::time::timeout(LAST_WORDS, self.tasks.join_all());
        if ended.await.is_err() {
            tracing::error!("the look after sync runs does not end: it is stopped");
        }
    }
}

/// How an enumeration's task ended, and the integration.
type Joined = Result<(i64, Result<SyncStart, SyncRunError>), JoinError>;

/// The runs that a scheduler enumerates.
#[derive(Default)]
struct Enumerations {
    tasks: JoinSet<(i64, Result<SyncStart, SyncRunError>)>,
    /// Tells them, when it is dropped, that they are stopped.
    stop: watch::Sender<()>,
    /// The integrations whose runs could not be begun lately, and since when.
    left_out: HashMap<i64, Instant>,
}

impl Enumerations {
    fn start(&mut self, integrations: &Integrations, id: i64) {
        let (integrations, events) = (integrations.clone(), integrations.events());
        let stop = Stop::with(&self.stop);
        let run = async move {
            let ended = integrations.sync_unless(id, When::Due, stop).await;
            match &ended {
                Ok(SyncStart::Failed { run, error }) => {
                    tracing::warn!(integration = id, run = run.id, error, "a sync failed");
                }
                Ok(_) => {}
                Err(error) => tracing::error!(integration = id, %error, "a sync could not be run"),
            }
            (id, ended)
        };
        let run = events.scope(run).in_current_span();
        self.tasks.spawn(run.with_current_subscriber());
    }

    /// Whoever fails at once would be due at once again, before those that have waited.
    fn note(&mut self, ended: Joined) {
        if let Ok((id, Err(_))) = ended {
            self.left_out.insert(id, Instant::now());
        }
    }

    /// Stops them, and waits until their runs are closed, but not for ever.
    async fn stop(self) {
        drop(self.stop);
        let closed = tokio::time::timeout(LAST_WORDS, self.tasks.join_all());
        if closed.await.is_err() {
            tracing::error!("runs could not be closed: others will find that their leases lapsed");
        }
    }
}
