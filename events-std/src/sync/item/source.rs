//! Items as a source of the worker: it claims them, runs them and ends them beside the jobs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use events_core::BoxFuture;
use tracing::Instrument;
use tracing::field::Empty;

use super::chores::Chores;
use super::claim::{self, ClaimTerms, ClaimableRun, ClaimedItem};
use super::end::{EndedItem, ItemEnd};
use super::run::{self, Work};
use super::turn::{self, Todo};
use crate::integration::Integrations;
use crate::queue::{Ends, Hanging, Hold, Means, OnThread, Over, Source, Taken, Turn, Worker};
use crate::store::{self, Store, StoreError};
use crate::sync::decide::next_attempt;

/// On a thread, an attempt that can be stopped has so much longer to end by itself than one that blocks.
const MOMENT: Duration = Duration::from_millis(500);

/// A run that fills all places is claimed from for so long before others are looked for.
const LOOK_FOR_RUNS: Duration = Duration::from_millis(50);

impl Worker {
    /// Lets it run the items of sync runs too, each in the places that jobs run in; jobs and items take turns where
    /// not all fit. It also reconciles the runs whose last item has ended.
    ///
    /// The events of items go through the worker's dispatcher. An attempt at an item may take as long as
    /// [`item_timeout`](crate::IntegrationsBuilder::item_timeout) says.
    ///
    /// ```no_run
    /// # async fn run(
    /// #     events: events_core::Events,
    /// #     integrations: events_std::Integrations,
    /// # ) -> Result<(), events_std::WorkerError> {
    /// use events_std::{Scheduler, Worker};
    ///
    /// let worker = Worker::new(&events, integrations.store()).sync_items(&integrations);
    /// let stop = async { /* tokio::signal::ctrl_c().await */ };
    /// let scheduler = Scheduler::new(&integrations).run_until(std::future::pending());
    /// tokio::select! {
    ///     left = worker.run_until(stop) => left.map(drop),
    ///     () = scheduler => Ok(()),
    /// }
    /// # }
    /// ```
    pub fn sync_items(self, integrations: &Integrations) -> Self {
        let items = Items::new(&integrations.with_events(self.events()));
        self.source(items)
    }
}

/// The items of all runs.
struct Items {
    integrations: Integrations,
    work: Arc<Work>,
    /// The events that this program knows.
    keys: Vec<String>,
    /// The same, as claims read them.
    events: String,
    /// The run that was served last: the next ones come before it.
    served: i64,
    /// The only run that had claimable items, and when that was looked for: as long as it fills all places.
    again: Option<(ClaimableRun, Instant)>,
    /// The claims that run.
    held: HashMap<Hold, Arc<ClaimedItem>>,
    /// Ends that are not written yet.
    ended: Vec<EndedItem>,
    ends: Ends<EndedItem>,
    /// Until when ends may supersede failed items, for all that was seen.
    superseding: Option<Instant>,
    chores: Chores,
}

impl Items {
    fn new(integrations: &Integrations) -> Self {
        let work = Work::new(integrations);
        Self {
            integrations: integrations.clone(),
            keys: work.known_events(),
            events: work.known_list(),
            work: Arc::new(work),
            served: 0,
            again: None,
            held: HashMap::new(),
            ended: Vec::new(),
            ends: Ends::default(),
            superseding: None,
            chores: Chores::new(integrations),
        }
    }

    fn store(&self) -> &Store {
        self.integrations.store()
    }

    async fn turn(&mut self, turn: Turn<'_>) -> Result<Vec<Taken>, StoreError> {
        self.ends.move_to(&mut self.ended);
        if self.ended.iter().any(EndedItem::is_unknown) {
            self.recover(turn.worker).await?;
        }
        let runs = match (turn.free, self.again.take()) {
            (0, _) => Vec::new(),
            // Under load nearly always the same one has more: whether others wait is looked for now and then.
            (_, Some((run, looked))) if looked.elapsed() < LOOK_FOR_RUNS => {
                self.again = Some((run, looked));
                vec![run]
            }
            _ => {
                let runs = claim::claimable_runs(self.store().reader(), turn.now).await?;
                self.again = match runs[..] {
                    [run] => Some((run, Instant::now())),
                    _ => None,
                };
                runs
            }
        };
        let mut claimed = Vec::new();
        if !runs.is_empty() || !self.ended.is_empty() {
            claimed = self.write_and_claim(turn, runs).await?;
            self.ended.clear();
        }
        if claimed.len() < turn.free {
            self.again = None;
        }
        let mut taken = self.run(turn.means, claimed);
        if self.work.complete.swap(false, Ordering::AcqRel) {
            self.chores.reconcile();
        }
        taken.extend(self.chores.start());
        Ok(taken)
    }

    async fn write_and_claim(
        &mut self,
        turn: Turn<'_>,
        mut runs: Vec<ClaimableRun>,
    ) -> Result<Vec<ClaimedItem>, StoreError> {
        // Each run gets its share, and another one comes first each time.
        runs.sort_by_key(|run| (run.id <= self.served, run.id));
        let todo = Todo {
            terms: self.terms(turn),
            runs: &runs,
            free: turn.free,
            ended: &self.ended,
        };
        let mut superseding = self.superseding;
        let turned = turn::turn(&self.integrations, &todo, &mut superseding).await?;
        self.superseding = superseding;
        self.work.note_complete(turned.complete);
        if let Some(last) = turned.claimed.last() {
            self.served = last.run_id;
        }
        Ok(turned.claimed)
    }

    async fn turn_alone(&mut self, turn: Turn<'_>) -> Result<Vec<Taken>, StoreError> {
        let runs = claim::runs_alone(self.store().reader(), &self.events, turn.now).await?;
        let Some(run) = runs.first() else {
            return Ok(Vec::new());
        };
        let transaction = self.store().begin().await?;
        let claimed = claim::claim(&transaction, &self.terms(turn), *run, true, 1).await?;
        transaction.commit().await?;
        Ok(self.run(turn.means, claimed))
    }

    fn terms(&self, turn: Turn<'_>) -> ClaimTerms<'_> {
        ClaimTerms {
            worker: turn.worker,
            events: &self.events,
            now: turn.now,
            due: turn.now,
        }
    }

    fn run(&mut self, means: &Means, claimed: Vec<ClaimedItem>) -> Vec<Taken> {
        let run = |item: ClaimedItem| {
            let (hold, item) = (item.hold, Arc::new(item));
            self.held.insert(hold, item.clone());
            let span = tracing::info_span!(
                "sync item",
                run = item.run_id,
                item = item.hold.id,
                event = item.event_name,
                attempt = item.attempts,
                traceparent = Empty,
            );
            if let Some(trace) = &item.trace {
                self.integrations.events().adopt_trace(&span, trace);
            }
            let working = work_at(self.work.clone(), item, means.clone(), self.ends.clone());
            Taken {
                hold: Some(hold),
                run: Box::pin(working.instrument(span)),
            }
        };
        claimed.into_iter().map(run).collect()
    }

    async fn recover(&mut self, worker: i64) -> Result<(), StoreError> {
        self.ends.move_to(&mut self.ended);
        let (unknown, ended) = std::mem::take(&mut self.ended)
            .into_iter()
            .partition::<Vec<_>, _>(EndedItem::is_unknown);
        self.ended = ended;
        let is_unknown = |hold: Hold| unknown.iter().any(|ended| ended.hold == hold);
        let writer = self.store().writer();
        // What a transaction has locked is left for later, as with jobs.
        let sql = format!(
            "SELECT id, fence, run_id, integration_id FROM events_sync_items WHERE state = 1 AND worker = $1{}",
            store::skip_locked(writer)
        );
        for row in store::rows(writer, sql, [worker.into()]).await? {
            let hold = Hold {
                id: row.try_get_by_index(0)?,
                fence: row.try_get_by_index(1)?,
            };
            let has_ended = self.ended.iter().any(|ended| ended.hold == hold);
            let runs = self.held.contains_key(&hold) && !is_unknown(hold);
            if !has_ended && !runs {
                self.ended.push(EndedItem {
                    hold,
                    run_id: row.try_get_by_index(2)?,
                    integration_id: row.try_get_by_index(3)?,
                    end: ItemEnd::GivenBack,
                });
            }
        }
        Ok(())
    }
}

/// Works at an item, and hands over how that ended, unless it is written already.
async fn work_at(
    work: Arc<Work>,
    item: Arc<ClaimedItem>,
    means: Means,
    ends: Ends<EndedItem>,
) -> Vec<Hanging> {
    let mut hanging = Vec::new();
    let end = match attempt_at(&work, &item, &means, &mut hanging).await {
        Some(ItemEnd::Failed(error)) => work.fail(&item, error, &means.store).await,
        other => other,
    };
    if let Some(end) = end {
        ends.add(EndedItem::of(&item, end));
    }
    hanging
}

async fn attempt_at(
    work: &Arc<Work>,
    item: &Arc<ClaimedItem>,
    means: &Means,
    hanging: &mut Vec<Hanging>,
) -> Option<ItemEnd> {
    let needs = work.needs(&item.event_name);
    let _place = if needs.wants_transaction {
        means.transactions.acquire().await.ok()
    } else {
        None
    };
    if !needs.blocks {
        return run::run(work, item, needs, &means.store).await;
    }
    let (working, at, store) = (work.clone(), item.clone(), means.store.clone());
    let working = async move || run::run(&working, &at, needs, &store).await;
    match means.on_thread(work.timeout + MOMENT, working).await {
        OnThread::Ended(end) => end,
        OnThread::Stopped => Some(ItemEnd::GivenBack),
        OnThread::Hangs(hangs) => {
            hanging.push(hangs);
            Some(work.timed_out(item, work.timeout))
        }
    }
}

impl Source for Items {
    fn store(&self) -> &Store {
        self.integrations.store()
    }

    fn claims(&self) -> Vec<String> {
        self.keys.clone()
    }

    fn wants_turn(&self) -> bool {
        let ended = !self.ended.is_empty() || !self.ends.is_empty();
        ended || self.work.complete.load(Ordering::Acquire) || self.chores.wait()
    }

    fn turn<'s>(&'s mut self, turn: Turn<'s>) -> BoxFuture<'s, Result<Vec<Taken>, StoreError>> {
        Box::pin(self.turn(turn))
    }

    fn turn_alone<'s>(
        &'s mut self,
        turn: Turn<'s>,
    ) -> BoxFuture<'s, Result<Vec<Taken>, StoreError>> {
        Box::pin(self.turn_alone(turn))
    }

    fn alone_waits(&mut self, due: DateTime<Utc>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let runs = claim::runs_alone(Items::store(self).reader(), &self.events, due).await?;
            Ok(!runs.is_empty())
        })
    }

    fn recover(&mut self, worker: i64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.recover(worker))
    }

    fn over(&mut self, hold: Hold, how: Over) {
        let Some(item) = self.held.remove(&hold) else {
            return;
        };
        let end = match how {
            Over::Ended => return,
            Over::Stopped => ItemEnd::GivenBack,
            // The attempt has counted. If it was the last, the next claim says so.
            Over::Panicked(error) => ItemEnd::Retry {
                at: next_attempt(item.attempts, self.work.now()).unwrap_or(self.work.now()),
                error: format!("the run panicked outside the listeners: {error}"),
                counts: true,
                alone: false,
            },
        };
        self.ended.push(EndedItem::of(&item, end));
    }

    fn forget_all(&mut self) {
        self.ends.move_to(&mut self.ended);
        self.ended.clear();
        self.held.clear();
    }

    fn anything_left(&mut self) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(claim::anything_left(
            self.integrations.store().writer(),
            &self.events,
        ))
    }

    fn anything_due(&mut self, due: DateTime<Utc>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(claim::anything_due(
            self.integrations.store().writer(),
            &self.events,
            due,
        ))
    }

    fn tend<'s>(&'s mut self, turn: Turn<'s>) -> BoxFuture<'s, Result<bool, StoreError>> {
        self.chores.tend(&self.keys, turn.now)
    }
}
