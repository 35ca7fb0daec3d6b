//! The jobs of the store, as a source of the worker.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::{BoxFuture, ParkReason};

use super::cycle::{self, Scope, Todo};
use super::floor::Floors;
use super::job;
use super::means::Means;
use super::source::{Ends, Over, Source, Taken, Turn};
use super::threads::Hanging;
use crate::queue::behind::Behind;
use crate::queue::claim::{Claimed, Hold};
use crate::queue::done::Done;
use crate::queue::end::{End, Ended};
use crate::queue::handoff::{Begins, Offer};
use crate::queue::tend;
use crate::store::{Store, StoreError};

pub(super) struct Jobs {
    store: Store,
    scope: Scope,
    /// What forgets finished jobs, unless they are kept.
    done: Option<Done>,
    /// Whether there are more jobs to park that nobody knows.
    parking: bool,
    floors: Floors,
    behind: Behind,
    /// The claims that run.
    held: HashMap<Hold, Arc<Claimed>>,
    by_queue: BTreeMap<String, usize>,
    /// Ends that are not written yet.
    ended: Vec<Ended>,
    ends: Ends<Ended>,
}

impl Jobs {
    pub(super) fn new(store: &Store, scope: Scope, retention: Option<Duration>) -> Self {
        Self {
            store: store.clone(),
            scope,
            done: retention.map(Done::new),
            parking: false,
            floors: Floors::default(),
            behind: Behind::default(),
            held: HashMap::new(),
            by_queue: BTreeMap::new(),
            ended: Vec::new(),
            ends: Ends::default(),
        }
    }

    /// The queues that it serves, as a JSON list.
    pub(super) fn queues(&self) -> &str {
        &self.scope.queue_list
    }

    fn run(&mut self, means: &Means, claimed: Vec<Claimed>) -> Vec<Taken> {
        let run = |claimed: Claimed| {
            let listener = self.scope.listener(&claimed).cloned();
            let claimed = Arc::new(claimed);
            let (means, ends) = (means.clone(), self.ends.clone());
            let run = job::run(means, claimed.clone(), listener, ends);
            self.hold(claimed, run)
        };
        claimed.into_iter().map(run).collect()
    }

    /// What pushes of this process may hand the worker.
    pub(super) fn offer(&self, begins: Begins) -> Offer {
        self.scope.offer(&self.store, begins)
    }

    /// Runs a job that a push has handed over; not if the worker must not begin it now.
    pub(super) fn handed(&mut self, means: &Means, claimed: Claimed, begins: bool) -> Vec<Taken> {
        if begins {
            return self.run(means, vec![claimed]);
        }
        self.ended.push(Ended::of(&claimed, End::GivenBack));
        Vec::new()
    }

    /// Ends the claims of jobs whose process died; those of listeners that are not known here are left to others.
    pub(super) fn conclude_crashed(&mut self, means: &Means, crashed: Vec<Claimed>) -> Vec<Taken> {
        let mut concluding = Vec::new();
        for claimed in crashed {
            let Some(listener) = self.scope.listener(&claimed).cloned() else {
                self.ended.push(Ended::of(&claimed, End::LeftAlone));
                continue;
            };
            let claimed = Arc::new(claimed);
            let (means, ends) = (means.clone(), self.ends.clone());
            let run = job::conclude_crashed(means, claimed.clone(), Some(listener), ends);
            concluding.push(self.hold(claimed, run));
        }
        concluding
    }

    fn hold(
        &mut self,
        claimed: Arc<Claimed>,
        run: impl Future<Output = Vec<Hanging>> + Send + 'static,
    ) -> Taken {
        let (hold, queue) = (claimed.hold, &claimed.job.queue);
        match self.by_queue.get_mut(queue) {
            Some(running) => *running += 1,
            None => drop(self.by_queue.insert(queue.clone(), 1)),
        }
        self.held.insert(hold, claimed);
        Taken {
            hold: Some(hold),
            run: Box::pin(run),
        }
    }

    async fn turn(&mut self, turn: Turn<'_>) -> Result<Vec<Taken>, StoreError> {
        self.ends.move_to(&mut self.ended);
        self.scope.worker = turn.worker;
        if self.ended.iter().any(Ended::is_unknown) {
            self.recover(turn.worker).await?;
        }
        if turn.free > 0 {
            let terms = self.scope.terms(turn.now);
            let (queues, has_ordered) = (&self.scope.queues, self.scope.has_ordered);
            let looking = self.behind.look(&self.store, &terms, queues, has_ordered);
            looking.await?;
        }
        let todo = Todo {
            ended: &self.ended,
            free: turn.free,
            running: &self.by_queue,
            now: turn.now,
        };
        let (floors, behind) = (&mut self.floors, &mut self.behind);
        let claimed = cycle::turn(&self.store, &self.scope, &todo, floors, behind).await?;
        self.ended.clear();
        Ok(self.run(turn.means, claimed))
    }

    async fn recover(&mut self, worker: i64) -> Result<(), StoreError> {
        self.ends.move_to(&mut self.ended);
        self.scope.worker = worker;
        let (unknown, ended) = std::mem::take(&mut self.ended)
            .into_iter()
            .partition::<Vec<_>, _>(Ended::is_unknown);
        let held = self.held.keys().copied();
        let mut known: HashSet<Hold> = held.chain(ended.iter().map(|ended| ended.hold)).collect();
        self.ended = ended;
        for ended in unknown {
            known.remove(&ended.hold);
        }
        for hold in cycle::unknown_claims(&self.store, &self.scope, &known).await? {
            self.ended.push(Ended {
                hold,
                ordered: true,
                end: End::GivenBack,
            });
        }
        Ok(())
    }

    async fn tend(&mut self, turn: Turn<'_>) -> Result<bool, StoreError> {
        let is_known = |key: &str| self.scope.knows(key);
        let goes_on = std::mem::take(&mut self.parking);
        let (events, store) = (&turn.means.events, &self.store);
        let mut more = tend::park_unknown(events, store, is_known, goes_on, turn.now).await?;
        self.parking = more;
        if let Some(done) = &mut self.done {
            more |= done.forget(&self.store, turn.now).await?;
        }
        Ok(more)
    }
}

impl Source for Jobs {
    fn store(&self) -> &Store {
        &self.store
    }

    fn claims(&self) -> Vec<String> {
        self.scope.keys().collect()
    }

    fn wants_turn(&self) -> bool {
        !self.ended.is_empty() || !self.ends.is_empty()
    }

    fn turn<'s>(&'s mut self, turn: Turn<'s>) -> BoxFuture<'s, Result<Vec<Taken>, StoreError>> {
        Box::pin(self.turn(turn))
    }

    fn turn_alone<'s>(
        &'s mut self,
        turn: Turn<'s>,
    ) -> BoxFuture<'s, Result<Vec<Taken>, StoreError>> {
        self.scope.worker = turn.worker;
        Box::pin(async move {
            let claimed = cycle::turn_alone(&self.store, &self.scope, turn.now).await?;
            Ok(self.run(turn.means, claimed))
        })
    }

    fn alone_waits(&mut self, due: DateTime<Utc>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(cycle::alone_waits(&self.store, &self.scope, due))
    }

    fn recover(&mut self, worker: i64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.recover(worker))
    }

    fn over(&mut self, hold: Hold, how: Over) {
        let Some(claimed) = self.held.remove(&hold) else {
            return;
        };
        if let Some(running) = self.by_queue.get_mut(&claimed.job.queue) {
            *running = running.saturating_sub(1);
        }
        let end = match how {
            Over::Ended => return,
            Over::Stopped => End::GivenBack,
            // The attempt has counted.
            Over::Panicked(error) => End::Park {
                reason: ParkReason::Exhausted,
                error: format!("the run panicked outside the listener: {error}"),
            },
        };
        self.ended.push(Ended::of(&claimed, end));
    }

    fn forget_all(&mut self) {
        self.ends.move_to(&mut self.ended);
        self.ended.clear();
        self.held.clear();
        self.by_queue.clear();
    }

    fn anything_left(&mut self) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(cycle::anything_left(&self.store, &self.scope))
    }

    fn anything_due(&mut self, due: DateTime<Utc>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let terms = self.scope.terms(due);
            Ok(cycle::anything_due(&self.store, &self.scope, due).await?
                || self.behind.release_any(&self.store, &terms).await?)
        })
    }

    fn tend<'s>(&'s mut self, turn: Turn<'s>) -> BoxFuture<'s, Result<bool, StoreError>> {
        Box::pin(Jobs::tend(self, turn))
    }
}
