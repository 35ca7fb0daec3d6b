//! The scheduler: starts due runs, and looks after those whose process died.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::lease::take_lapsed;
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

/// How often what is too old is forgotten.
const PRUNE: Duration = Duration::from_mins(1);

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
    /// start over from the same cursor.
    ///
    /// A database that is away is reported and tried again.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut running = Enumerations::default();
        let mut poll = interval(self.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pruned = None;
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = running.tasks.join_next(), if !running.tasks.is_empty() => {}
                _ = poll.tick() => {
                    if let Err(error) = self.look_after().await {
                        tracing::error!(%error, "the scheduler's database failed: it will be tried again");
                        continue;
                    }
                    if pruned.is_none_or(|at: Instant| at.elapsed() >= PRUNE) {
                        self.prune().await;
                        pruned = Some(Instant::now());
                    }
                    if let Err(error) = self.start_due(&mut running).await {
                        tracing::error!(%error, "the scheduler's database failed: it will be tried again");
                    }
                }
            }
        }
        running.stop().await;
    }

    /// Enumerates every run that is due now, and returns when all are: what each start came to. For a program that is
    /// itself started on a schedule, and for tests. Then forgets what is older than the retention.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn run_due(&self) -> Result<Vec<SyncStart>, SyncRunError> {
        self.look_after().await?;
        let mut started = Vec::new();
        let mut running = Enumerations::default();
        for id in self.integrations.due_for_sync().await? {
            while running.tasks.len() >= self.concurrency {
                running.next(&mut started).await?;
            }
            running.start(&self.integrations, id);
        }
        while !running.tasks.is_empty() {
            running.next(&mut started).await?;
        }
        self.prune().await;
        Ok(started)
    }

    /// Closes runs whose process died, and reconciles those that are due.
    async fn look_after(&self) -> Result<(), SyncRunError> {
        for (run, lease) in take_lapsed(&self.integrations).await? {
            tracing::warn!(
                run = run.id,
                integration = run.integration_id,
                "{DIED}: its run is closed"
            );
            self.integrations.fail_run(lease, DIED).await?;
        }
        self.integrations.reconcile().await?;
        Ok(())
    }

    /// Forgets what is too old: runs first, since they keep their entries of the log.
    async fn prune(&self) {
        let engine = &self.integrations;
        if let Err(error) = engine.prune_sync_runs().await {
            tracing::error!(%error, "runs that are too old could not be forgotten: it will be tried again");
        }
        for forgotten in [
            engine.prune_operations().await,
            engine.prune_requests().await,
        ] {
            if let Err(error) = forgotten {
                tracing::error!(%error, "records that are too old could not be forgotten: it will be tried again");
            }
        }
    }

    /// Starts what is due and finds a place.
    async fn start_due(&self, running: &mut Enumerations) -> Result<(), SyncRunError> {
        let free = self.concurrency.saturating_sub(running.tasks.len());
        if free == 0 {
            return Ok(());
        }
        for id in self
            .integrations
            .due_for_sync()
            .await?
            .into_iter()
            .take(free)
        {
            running.start(&self.integrations, id);
        }
        Ok(())
    }
}

/// The runs that a scheduler enumerates.
#[derive(Default)]
struct Enumerations {
    tasks: JoinSet<Result<SyncStart, SyncRunError>>,
    /// Tells them, when it is dropped, that they are stopped.
    stop: watch::Sender<()>,
}

impl Enumerations {
    fn start(&mut self, integrations: &Integrations, id: i64) {
        let (integrations, events) = (integrations.clone(), integrations.events());
        let mut stop = self.stop.subscribe();
        let run = async move {
            let stopped = async {
                // An error: the other end was dropped.
                let _ = stop.changed().await;
            };
            let ended = integrations.sync_unless(id, When::Due, stopped).await;
            match &ended {
                Ok(SyncStart::Failed { run, error }) => {
                    tracing::warn!(integration = id, run = run.id, error, "a sync failed");
                }
                Ok(_) => {}
                Err(error) => tracing::error!(integration = id, %error, "a sync could not be run"),
            }
            ended
        };
        let run = events.scope(run).in_current_span();
        self.tasks.spawn(run.with_current_subscriber());
    }

    async fn next(&mut self, started: &mut Vec<SyncStart>) -> Result<(), SyncRunError> {
        if let Some(Ok(start)) = self.tasks.join_next().await {
            started.push(start?);
        }
        Ok(())
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
