//! What a worker runs at the moment, and the ends that are not written yet.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use events_core::ParkReason;
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::cycle::Scope;
use super::job::{self, Means, Outcome};
use super::threads::{Hanging, Threads};
use super::{Left, Worker};
use crate::queue::claim::{Claimed, Hold};
use crate::queue::end::{End, Ended};

/// Under load, ends of claims gather for so long, so that one transaction writes many.
const GATHER: Duration = Duration::from_millis(2);
/// How long runs that are stopped may take to notice.
const STOPPING: Duration = Duration::from_secs(1);

pub(super) struct Runs {
    pub(super) means: Means,
    running: JoinSet<Outcome>,
    /// The claims that run, by the task in which they do.
    held: HashMap<Id, Arc<Claimed>>,
    pub(super) by_queue: BTreeMap<String, usize>,
    /// Ends that are not written yet.
    pub(super) ended: Vec<Ended>,
    hanging: Vec<Hanging>,
    /// Whether the job that runs must run alone.
    pub(super) alone: bool,
    /// More runs than so many: there is load.
    many: usize,
    /// So many runs have lasted longer than a gathering: the next does not wait for them.
    lasting: usize,
    count: u64,
}

impl Runs {
    pub(super) fn new(worker: &Worker, lock: Option<Arc<File>>) -> Self {
        Self {
            means: Means {
                events: worker.events.clone(),
                store: worker.store.clone(),
                threads: Threads::default(),
                transactions: Arc::new(Semaphore::new(worker.store.spare_connections())),
                lock,
            },
            running: JoinSet::new(),
            held: HashMap::new(),
            by_queue: BTreeMap::new(),
            ended: Vec::new(),
            hanging: Vec::new(),
            alone: false,
            many: worker.concurrency / 2,
            lasting: 0,
            count: 0,
        }
    }

    /// Nothing runs, and every end is written.
    pub(super) fn is_idle(&self) -> bool {
        !self.any() && self.ended.is_empty()
    }

    pub(super) fn any(&self) -> bool {
        !self.running.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    /// How many listeners hang.
    pub(super) fn hanging(&mut self) -> usize {
        self.hanging.retain(Hanging::still_runs);
        self.hanging.len()
    }

    /// How many more jobs may run.
    pub(super) fn free(&self, concurrency: usize) -> usize {
        if self.alone {
            return 0;
        }
        concurrency.saturating_sub(self.running.len() + self.hanging.len())
    }

    /// Every claim that is this worker's own, as far as it knows.
    pub(super) fn holds(&self) -> HashSet<Hold> {
        let ended = self.ended.iter().map(|ended| ended.hold);
        let held = self.held.values().map(|claimed| claimed.hold);
        held.chain(ended).collect()
    }

    pub(super) fn start(&mut self, scope: &Scope, claimed: Vec<Claimed>) {
        for claimed in claimed {
            let listener = scope.listener(&claimed).cloned();
            let claimed = Arc::new(claimed);
            let run = job::run(self.means.clone(), claimed.clone(), listener);
            let task = self.running.spawn(run).id();
            self.hold(task, claimed);
        }
    }

    /// Ends the claims of jobs whose process died; those of listeners that are not known here are left to others.
    pub(super) fn conclude_crashed(&mut self, scope: &Scope, crashed: Vec<Claimed>) {
        for claimed in crashed {
            if scope.listener(&claimed).is_some() {
                self.conclude_one(scope, Arc::new(claimed));
            } else {
                let hold = claimed.hold;
                let end = End::LeftAlone;
                self.ended.push(Ended { hold, end });
            }
        }
    }

    fn conclude_one(&mut self, scope: &Scope, claimed: Arc<Claimed>) {
        let listener = scope.listener(&claimed).cloned();
        let concluding = job::conclude_crashed(self.means.clone(), claimed.clone(), listener);
        let task = self.running.spawn(concluding).id();
        self.hold(task, claimed);
    }

    fn hold(&mut self, task: Id, claimed: Arc<Claimed>) {
        *self.by_queue.entry(claimed.job.queue.clone()).or_default() += 1;
        self.held.insert(task, claimed);
    }

    /// Waits for the next run to end, and notes it.
    pub(super) async fn next(&mut self) {
        if let Some(outcome) = self.running.join_next_with_id().await {
            self.note(outcome);
        }
    }

    /// Under load, lets more runs end before their ends are written together.
    pub(super) async fn gather(&mut self) {
        let until = Instant::now() + GATHER;
        let load = self.running.len() + self.ended.len() > self.many;
        while load && self.running.len() > self.lasting {
            if tokio::time::timeout_at(until, self.next()).await.is_err() {
                self.lasting = self.running.len();
            }
        }
        while let Some(outcome) = self.running.try_join_next_with_id() {
            self.note(outcome);
        }
        self.lasting = self.lasting.min(self.running.len());
    }

    fn note(&mut self, outcome: Result<(Id, Outcome), JoinError>) {
        let task = match &outcome {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        if self.running.is_empty() {
            self.alone = false;
        }
        let Some(claimed) = self.held.remove(&task) else {
            return;
        };
        if let Some(running) = self.by_queue.get_mut(&claimed.job.queue) {
            *running = running.saturating_sub(1);
        }
        match outcome {
            Ok((_, Outcome { ended, hanging })) => {
                self.count += 1;
                self.ended.push(ended);
                self.hanging.extend(hanging);
            }
            // Stopped at the shutdown, or broken by a panic that the kernel could not catch: as when a value's own
            // `Drop` panics. The attempt has counted either way, unless it was we who stopped it.
            Err(error) => {
                let end = if error.is_cancelled() {
                    End::GivenBack
                } else {
                    tracing::error!(%error, "the run of a job panicked outside its listener");
                    End::Park {
                        reason: ParkReason::Exhausted,
                        error: format!("the run panicked outside the listener: {error}"),
                    }
                };
                let hold = claimed.hold;
                self.ended.push(Ended { hold, end });
            }
        }
    }

    /// Stops all runs: their claims are lost already.
    pub(super) fn forget_all(&mut self) {
        self.running = JoinSet::new();
        self.held.clear();
        self.by_queue.clear();
        self.ended.clear();
        self.alone = false;
    }

    /// Stops what still runs, so that the claims are given back; how many.
    pub(super) async fn give_back(&mut self) -> usize {
        self.running.abort_all();
        let before = self.count;
        let all = self.held.len();
        let until = Instant::now() + STOPPING;
        while self.any() {
            if tokio::time::timeout_at(until, self.next()).await.is_err() {
                break;
            }
        }
        let ended = usize::try_from(self.count - before).unwrap_or(usize::MAX);
        // What does not notice is given back all the same: its end would come too late.
        for (_, claimed) in self.held.drain() {
            let hold = claimed.hold;
            let end = End::GivenBack;
            self.ended.push(Ended { hold, end });
        }
        all.saturating_sub(ended)
    }

    pub(super) fn left(&mut self, released: usize) -> Left {
        Left {
            ended: self.count,
            released,
            abandoned: self.hanging(),
        }
    }
}
