//! All that a worker works for, and whose turn it is.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::SqlErr;
use tokio::time::Instant;

use super::jobs::Jobs;
use super::runs::{Noted, Runs};
use super::source::{Source, Turn};
use crate::queue::claim::Claimed;
use crate::queue::handoff::{Begins, Offer};
use crate::store::StoreError;

/// The jobs, and the sources that were added. Whoever finds work comes last the next time, so that each gets its share
/// of the places however much the others have to do.
pub(super) struct Sources {
    jobs: Jobs,
    others: Vec<Box<dyn Source>>,
    /// Which one claims first.
    first: usize,
    /// When each last left places empty. As long as nothing is told it has nothing more for a while.
    quiet: Vec<Option<Instant>>,
    /// For how long.
    poll: Duration,
    /// Whether something was told since all looked.
    news: bool,
}

/// What all turns are made with.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) worker: i64,
    /// How many may run at once; 0: nothing is claimed.
    pub(super) places: usize,
    pub(super) now: DateTime<Utc>,
}

impl Sources {
    pub(super) fn new(jobs: Jobs, others: Vec<Box<dyn Source>>, poll: Duration) -> Self {
        Self {
            jobs,
            quiet: vec![None; others.len() + 1],
            others,
            first: 0,
            poll,
            news: false,
        }
    }

    fn get(&mut self, index: usize) -> &mut dyn Source {
        match index.checked_sub(1) {
            None => &mut self.jobs,
            Some(other) => &mut *self.others[other],
        }
    }

    fn each(&mut self) -> impl Iterator<Item = &mut dyn Source> {
        let jobs: &mut dyn Source = &mut self.jobs;
        let others = self.others.iter_mut();
        std::iter::once(jobs).chain(others.map(|other| &mut **other as &mut dyn Source))
    }

    /// What the worker may claim, as a JSON list.
    pub(super) fn claims(&mut self) -> String {
        let keys: Vec<String> = self.each().flat_map(|source| source.claims()).collect();
        serde_json::to_string(&keys).unwrap_or_else(|_| "[]".to_owned())
    }

    /// The queues that it serves, as a JSON list.
    pub(super) fn queues(&self) -> &str {
        self.jobs.queues()
    }

    pub(super) fn wants_turn(&mut self) -> bool {
        self.each().any(|source| source.wants_turn())
    }

    /// There may be work again.
    pub(super) fn told(&mut self) {
        self.quiet.fill(None);
        self.news = true;
    }

    /// Whether something was told since all of them looked.
    pub(super) fn have_news(&self) -> bool {
        self.news
    }

    /// Tells the sources which runs are over.
    pub(super) fn note(&mut self, runs: &mut Runs) {
        for Noted { source, hold, how } in runs.take_noted() {
            self.get(source).over(hold, how);
        }
    }

    /// Lets each source write its ends and claim as much as fits. One that fails does not keep the others from it.
    pub(super) async fn turn(&mut self, runs: &mut Runs, terms: Terms) -> Result<(), StoreError> {
        let (count, first) = (self.others.len() + 1, self.first);
        let (mut result, mut served) = (Ok(()), None);
        for index in (0..count).map(|step| (first + step) % count) {
            match self.turn_of(index, runs, terms).await {
                Ok(true) => served = served.or(Some(index)),
                Ok(false) => {}
                Err(error) if is_overtaken(&error) => {
                    tracing::debug!(%error, "another worker was faster with a job of a key: claiming anew");
                }
                Err(error) => result = Err(error),
            }
        }
        if let Some(served) = served {
            self.first = (served + 1) % count;
        }
        self.news &= result.is_err();
        result
    }

    /// Whether the source found work.
    async fn turn_of(
        &mut self,
        index: usize,
        runs: &mut Runs,
        terms: Terms,
    ) -> Result<bool, StoreError> {
        let alone = self.others.is_empty();
        let rests = self.quiet[index].is_some_and(|since| since.elapsed() < self.poll);
        let source = self.get(index);
        let wants = source.wants_turn();
        let free = runs.free(terms.places);
        // What has just ended may have kept something else waiting.
        let looks = free > 0 && (alone || wants || !rests);
        if !looks && !wants {
            return Ok(false);
        }
        let free = if looks { free } else { 0 };
        let taken = source.turn(turn(runs, terms, free)).await?;
        let claims = taken.iter().filter(|taken| taken.hold.is_some()).count();
        runs.start(index, taken);
        if looks {
            self.quiet[index] = (claims < free).then(Instant::now);
        }
        Ok(claims > 0)
    }

    /// Where nothing runs, takes what must run alone. Whether there was something.
    pub(super) async fn turn_alone(
        &mut self,
        runs: &mut Runs,
        terms: Terms,
    ) -> Result<(), StoreError> {
        for index in 0..=self.others.len() {
            let taken = self.get(index).turn_alone(turn(runs, terms, 1)).await?;
            if !taken.is_empty() {
                runs.alone = true;
                runs.start(index, taken);
                break;
            }
        }
        Ok(())
    }

    /// Whether something that must run alone was due at this time.
    pub(super) async fn alone_waits(&mut self, due: DateTime<Utc>) -> Result<bool, StoreError> {
        for source in self.each() {
            if source.alone_waits(due).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn recover(&mut self, worker: i64) -> Result<(), StoreError> {
        for source in self.each() {
            source.recover(worker).await?;
        }
        Ok(())
    }

    pub(super) fn forget_all(&mut self) {
        self.each().for_each(Source::forget_all);
    }

    /// What pushes of this process may hand the worker.
    pub(super) fn offer(&self, begins: Begins) -> Offer {
        self.jobs.offer(begins)
    }

    /// Takes a job that a push has handed over, and begins it if the worker may.
    pub(super) fn handed(&mut self, runs: &mut Runs, claimed: Claimed, begins: bool) {
        let taken = self.jobs.handed(&runs.means, claimed, begins);
        runs.start(0, taken);
    }

    /// Ends the claims of jobs whose process died.
    pub(super) fn conclude_crashed(&mut self, runs: &mut Runs, crashed: Vec<Claimed>) {
        let concluding = self.jobs.conclude_crashed(&runs.means, crashed);
        runs.start(0, concluding);
    }

    pub(super) async fn anything_left(&mut self) -> Result<bool, StoreError> {
        for source in self.each() {
            if source.anything_left().await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn anything_due(&mut self, due: DateTime<Utc>) -> Result<bool, StoreError> {
        for source in self.each() {
            if source.anything_due(due).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether there is more to do. One source that fails does not keep the others from it.
    pub(super) async fn tend(&mut self, runs: &Runs, terms: Terms) -> Result<bool, StoreError> {
        let (mut result, mut more) = (Ok(()), false);
        for source in self.each() {
            match source.tend(turn(runs, terms, 0)).await {
                Ok(again) => more |= again,
                Err(error) => result = Err(error),
            }
        }
        result.map(|()| more)
    }
}

fn turn(runs: &Runs, terms: Terms, free: usize) -> Turn<'_> {
    Turn {
        means: &runs.means,
        worker: terms.worker,
        free,
        now: terms.now,
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
