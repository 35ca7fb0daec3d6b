//! What a worker runs at the moment.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::level::Level;
use super::means::Means;
use super::source::{Over, Taken};
use super::threads::{Hanging, Threads};
use super::{Left, Worker};
use crate::queue::claim::Hold;

/// Under load, ends of claims gather for so long, so that one transaction writes many.
const GATHER: Duration = Duration::from_millis(2);
/// How long runs that are stopped may take to notice.
const STOPPING: Duration = Duration::from_secs(1);

/// A claim that runs.
#[derive(Clone, Copy)]
struct Held {
    /// Which of the worker's sources it is of.
    source: usize,
    hold: Hold,
}

/// A run that is over.
pub(super) struct Noted {
    pub(super) source: usize,
    pub(super) hold: Hold,
    pub(super) how: Over,
}

pub(super) struct Runs {
    pub(super) means: Means,
    running: JoinSet<Vec<Hanging>>,
    /// How many of them have not come to their end.
    level: Arc<Level>,
    /// The claims that run, by the task in which they do.
    held: HashMap<Id, Held>,
    /// Runs that are over, of which the sources are not told yet.
    noted: Vec<Noted>,
    hanging: Vec<Hanging>,
    /// Whether what runs must run alone.
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
                store: worker.store.answering_within(worker.answer_within),
                threads: Threads::default(),
                transactions: Arc::new(Semaphore::new(worker.store.spare_connections())),
                lock,
            },
            running: JoinSet::new(),
            level: Arc::default(),
            held: HashMap::new(),
            noted: Vec::new(),
            hanging: Vec::new(),
            alone: false,
            many: worker.concurrency / 2,
            lasting: 0,
            count: 0,
        }
    }

    /// Nothing runs, and the sources know it.
    pub(super) fn is_idle(&self) -> bool {
        !self.any() && self.noted.is_empty()
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

    /// How many more may run.
    pub(super) fn free(&self, concurrency: usize) -> usize {
        if self.alone {
            return 0;
        }
        concurrency.saturating_sub(self.running.len() + self.hanging.len())
    }

    pub(super) fn start(&mut self, source: usize, taken: Vec<Taken>) {
        for Taken { hold, run } in taken {
            let ending = Level::begin(&self.level);
            let run = async move {
                let hanging = run.await;
                drop(ending);
                hanging
            };
            let task = self.running.spawn(run).id();
            if let Some(hold) = hold {
                self.held.insert(task, Held { source, hold });
            }
        }
    }

    /// Waits for the next run to end, and notes it.
    pub(super) async fn next(&mut self) {
        if let Some(ended) = self.running.join_next_with_id().await {
            self.note(ended);
        }
    }

    /// Under load, lets more runs end before their ends are written together.
    pub(super) async fn gather(&mut self) {
        let until = Instant::now() + GATHER;
        let load = self.running.len() + self.noted.len() > self.many;
        if load && self.running.len() > self.lasting {
            // Each end by itself would wake the worker.
            let _ = tokio::time::timeout_at(until, self.level.falls_to(self.lasting)).await;
            while let Some(ended) = self.running.try_join_next_with_id() {
                self.note(ended);
            }
        }
        while load && self.running.len() > self.lasting {
            if tokio::time::timeout_at(until, self.next()).await.is_err() {
                self.lasting = self.running.len();
            }
        }
        while let Some(ended) = self.running.try_join_next_with_id() {
            self.note(ended);
        }
        self.lasting = self.lasting.min(self.running.len());
    }

    fn note(&mut self, ended: Result<(Id, Vec<Hanging>), JoinError>) {
        if self.running.is_empty() {
            self.alone = false;
        }
        let (task, how) = match ended {
            Ok((task, hanging)) => {
                self.hanging.extend(hanging);
                (task, Over::Ended)
            }
            Err(error) if error.is_cancelled() => (error.id(), Over::Stopped),
            // Broken by a panic that the kernel could not catch.
            Err(error) => {
                tracing::error!(%error, "a run panicked outside its listener");
                (error.id(), Over::Panicked(error.to_string()))
            }
        };
        if let Some(Held { source, hold }) = self.held.remove(&task) {
            self.count += u64::from(matches!(how, Over::Ended));
            self.noted.push(Noted { source, hold, how });
        }
    }

    /// The runs that are over since the last call.
    pub(super) fn take_noted(&mut self) -> Vec<Noted> {
        std::mem::take(&mut self.noted)
    }

    /// Stops all runs: their claims are lost already.
    pub(super) fn forget_all(&mut self) {
        self.running = JoinSet::new();
        self.held.clear();
        self.noted.clear();
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
        let how = |Held { source, hold }| Noted {
            source,
            hold,
            how: Over::Stopped,
        };
        self.noted
            .extend(self.held.drain().map(|(_, held)| how(held)));
        all.saturating_sub(ended)
    }

    pub(super) fn left(&mut self, released: usize) -> Left {
        Left {
            ended: self.count,
            released,
            held: 0,
            abandoned: self.hanging(),
        }
    }
}
