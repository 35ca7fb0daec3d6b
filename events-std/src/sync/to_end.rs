//! A whole run at once, for an adapter's own tests: no worker, no waits.

use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::item::{self, ClaimTerms, EndedItem, ItemEnd, Work};
use super::patience::Stop;
use super::{RunState, SyncRun, SyncRunError, SyncStart};
use crate::integration::Integrations;
use crate::queue::{Card, Presence};

/// Without a sign of life for so long it counts as dead.
const LAPSE: Duration = Duration::from_mins(1);

/// So many rounds in which nothing but deferrals happened are enough.
const ROUNDS: usize = 100;

impl Integrations {
    /// Starts a run and works at its items until it is closed, in this task, for tests: retries do not wait for their
    /// time. How the run ended.
    ///
    /// Inline listeners of [`SyncCompleted`](crate::SyncCompleted) hear of the end from a worker of jobs:
    /// [`Worker::drain`](crate::Worker::drain) behind this does it.
    ///
    /// A run stays open if the provider's rate limit defers an item again and again.
    ///
    /// ```no_run
    /// # async fn run(integrations: events_std::Integrations) -> Result<(), events_std::SyncRunError> {
    /// use events_std::{RunState, SyncStart};
    ///
    /// if let SyncStart::Enumerated(run) = integrations.run_to_end(7).await? {
    ///     assert_eq!(run.state, RunState::Closed);
    ///     assert_eq!(integrations.progress(run.id).await?.failed, 0);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn run_to_end(&self, id: i64) -> Result<SyncStart, SyncRunError> {
        let started = self.sync(id).await?;
        let SyncStart::Enumerated(run) = started else {
            return Ok(started);
        };
        Ok(SyncStart::Enumerated(self.finish(run).await?))
    }

    /// Works at the items of a run until it is closed, and at those of a closed one that are retried: as
    /// [`run_to_end`](Self::run_to_end) does.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn finish(&self, run: SyncRun) -> Result<SyncRun, SyncRunError> {
        let now = self.events().now();
        let card = Card {
            name: "run_to_end",
            claims: "[]",
            queues: "[]",
            lapse: LAPSE,
        };
        let presence = Presence::enter(self.store(), card, now).await?;
        let (done, _) = watch::channel(());
        let stop = Stop::with(&done);
        let working = Box::pin(async {
            let worked = self.work_at(run.id, presence.id).await;
            drop(done);
            worked
        });
        let (worked, ()) = tokio::join!(working, self.show_life(&presence, stop));
        presence.leave(self.store().writer()).await?;
        worked?;
        self.sync_run(run.id)
            .await?
            .ok_or(SyncRunError::NoRun(run.id))
    }

    /// Else a worker beside this would take the items over.
    async fn show_life(&self, presence: &Presence, stop: Stop) {
        let mut stopped = pin!(stop.told());
        let mut beat = interval_at(Instant::now() + LAPSE / 3, LAPSE / 3);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => return,
                _ = beat.tick() => {}
            }
            // To its end: on SQLite a statement that is left in its midst would keep the only connection that writes.
            let beating = presence.beat(self.store().writer(), self.events().now());
            if let Err(error) = beating.await {
                tracing::warn!(%error, "others were not told that a sync to its end goes on");
            }
        }
    }

    async fn work_at(&self, run_id: i64, worker: i64) -> Result<(), SyncRunError> {
        let work = Work::new(self);
        let events = work.known_list();
        let (mut ended, mut idle) = (Vec::new(), 0);
        while idle < ROUNDS {
            let terms = ClaimTerms {
                worker,
                events: &events,
                now: self.events().now(),
                due: DateTime::<Utc>::MAX_UTC,
            };
            let claimed = self
                .transaction(async |tx| {
                    item::write(&self.within(tx), &ended).await?;
                    let mut claimed = Vec::new();
                    for run in item::claimable_runs(tx, terms.due).await? {
                        if run.id == run_id {
                            claimed.extend(item::claim(tx, &terms, run, false, 100).await?);
                        }
                    }
                    for run in item::runs_alone(tx, terms.events, terms.due).await? {
                        if run.id == run_id {
                            claimed.extend(item::claim(tx, &terms, run, true, 1).await?);
                        }
                    }
                    Ok::<_, SyncRunError>(claimed)
                })
                .await?;
            if claimed.is_empty() {
                break;
            }
            ended.clear();
            for item in &claimed {
                let needs = work.needs(&item.event_name);
                let end = item::run(&work, item, needs, self.store()).await;
                ended.extend(end.map(|end| EndedItem::of(item, end)));
            }
            let deferred =
                |item: &EndedItem| matches!(item.end, ItemEnd::Retry { counts: false, .. });
            let nothing_happened = ended.len() == claimed.len() && ended.iter().all(deferred);
            idle = if nothing_happened { idle + 1 } else { 0 };
        }
        if idle == ROUNDS {
            self.transaction(async |tx| item::write(&self.within(tx), &ended).await)
                .await?;
        }
        self.reconcile().await?;
        Ok(())
    }
}

impl SyncStart {
    /// The run that was started.
    ///
    /// # Panics
    ///
    /// If none was, or its enumeration failed. The message says why.
    #[track_caller]
    #[expect(
        clippy::must_use_candidate,
        reason = "an assertion, whose value is a by-product"
    )]
    pub fn assert_enumerated(self) -> SyncRun {
        match self {
            Self::Enumerated(run) => run,
            other => panic!("expected a run whose items were found, but: {other:?}"),
        }
    }

    /// The run that was started, and is closed.
    ///
    /// # Panics
    ///
    /// If none was, its enumeration failed, or it is open still. The message says why.
    #[track_caller]
    #[expect(
        clippy::must_use_candidate,
        reason = "an assertion, whose value is a by-product"
    )]
    pub fn assert_closed(self) -> SyncRun {
        let run = self.assert_enumerated();
        assert!(
            run.state == RunState::Closed,
            "expected a closed run, but it is {}: {run:?}",
            run.state
        );
        run
    }
}
