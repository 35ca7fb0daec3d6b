//! A job that a push hands to an idle worker of its own process: it is stored as taken by it, its attempt counted, and no
//! claim has to follow, which would be a second commit before the listener starts.
//!
//! An offer is for one job. The worker takes it back before it does anything else, and waits a while for what is under
//! way: so nothing that the store has as its own is unknown to it while it looks. Who comes too late gives its job back.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::{Claimable, Job};
use sea_orm::{ConnectionTrait as _, DbErr};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;

use super::by_store::ByStore;
use super::claim::{Claimed, Hold, time};
use super::end::{self, End, Ended};
use crate::store::{self, Store, StoreError};

/// What the workers of each store in this process offer.
static OFFERS: ByStore<Vec<Arc<Shared>>> = ByStore::new();

/// An offer that was not renewed for so long is of a worker that may be stuck.
const FRESH: Duration = Duration::from_secs(1);
/// A worker waits so long for a push that is about to hand it a job.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Default)]
enum Stage {
    #[default]
    Closed,
    /// The worker of this row is idle, as of then.
    Open(i64, Instant),
    /// A push stores a job as taken by it.
    UnderWay,
    Handed(Box<Claimed>),
    /// Whether the job was stored is not known.
    Doubt,
    /// The worker has ended.
    Gone,
}

struct Shared {
    queues: Vec<String>,
    known: Vec<Arc<Claimable>>,
    begins: Begins,
    stage: watch::Sender<Stage>,
}

/// Each is its own.
impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Whether the worker may begin something; then it counts as running something until it rests.
pub(super) type Begins = Arc<dyn Fn() -> bool + Send + Sync>;

impl Shared {
    fn new(queues: Vec<String>, known: Vec<Arc<Claimable>>, begins: Begins) -> Arc<Self> {
        let stage = watch::Sender::new(Stage::Closed);
        Arc::new(Self {
            queues,
            known,
            begins,
            stage,
        })
    }

    fn serves(&self, job: &Job) -> bool {
        let of_job = |known: &Arc<Claimable>| {
            known.event == job.event
                && known.version == job.version
                && known.listener == job.listener
        };
        self.queues.contains(&job.queue) && self.known.iter().any(of_job)
    }
}

/// What a worker offers.
pub(super) struct Offer {
    /// What all clones of the store have in common; its address is no other's while this is held.
    store: Arc<Notify>,
    shared: Arc<Shared>,
}

/// What came of an offer.
pub(super) enum Answer {
    Nothing,
    /// A job that is the worker's.
    Job(Box<Claimed>),
    /// The store may have a job as the worker's own that nobody told it of.
    Doubt,
}

impl Offer {
    /// None is open yet.
    pub(super) fn new(
        store: &Store,
        queues: Vec<String>,
        known: Vec<Arc<Claimable>>,
        begins: Begins,
    ) -> Self {
        let offer = Self {
            store: store.pushed().clone(),
            shared: Shared::new(queues, known, begins),
        };
        offer.list();
        offer
    }

    fn list(&self) {
        OFFERS.with(&self.store, |offers| offers.push(self.shared.clone()));
    }

    fn unlist(&self) {
        OFFERS.with(&self.store, |offers| {
            offers.retain(|other| !Arc::ptr_eq(other, &self.shared));
        });
        self.shared.stage.send_replace(Stage::Gone);
    }

    /// Begins anew, with nothing handed over and nothing under way: a push that comes to its end later gives its job back.
    /// Until then, the store may have a job as the worker's own that the worker does not know.
    pub(super) fn renew(&mut self) {
        self.unlist();
        let Shared {
            queues,
            known,
            begins,
            ..
        } = &*self.shared;
        self.shared = Shared::new(queues.clone(), known.clone(), begins.clone());
        self.list();
    }

    /// The worker of this row is idle: a push may hand it a job.
    pub(super) fn open(&self, worker: i64) {
        self.shared.stage.send_if_modified(|stage| {
            if matches!(stage, Stage::Closed) {
                *stage = Stage::Open(worker, Instant::now());
            }
            false
        });
    }

    /// Waits until there is an answer to take.
    pub(super) async fn answered(&self) {
        let is_there = |stage: &Stage| matches!(stage, Stage::Handed(_) | Stage::Doubt);
        // It cannot close: the sender is here.
        let _ = self.shared.stage.subscribe().wait_for(is_there).await;
    }

    /// Closes the offer, once no push is about to answer it. One that takes too long is waited for no more: its caller's
    /// database may be silent, or nobody polls its task.
    pub(super) async fn close(&mut self) -> Answer {
        let mut stage = self.shared.stage.subscribe();
        let settled = |stage: &Stage| !matches!(stage, Stage::UnderWay);
        loop {
            if let Some(answer) = self.take() {
                return answer;
            }
            if timeout(PATIENCE, stage.wait_for(settled)).await.is_err() {
                self.renew();
                return Answer::Doubt;
            }
        }
    }

    /// None: a push is about to answer.
    fn take(&self) -> Option<Answer> {
        let mut answer = None;
        self.shared.stage.send_if_modified(|stage| {
            if !matches!(stage, Stage::UnderWay) {
                answer = Some(match std::mem::take(stage) {
                    Stage::Handed(claimed) => Answer::Job(claimed),
                    Stage::Doubt => Answer::Doubt,
                    _ => Answer::Nothing,
                });
            }
            false
        });
        answer
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.unlist();
    }
}

/// A worker's place that a push has taken. Unless it says what became of the job, that is in doubt.
pub(super) struct Place {
    shared: Arc<Shared>,
    worker: i64,
    settled: bool,
}

impl Place {
    /// A place for this job with an idle worker of this process, if there is one.
    pub(super) fn for_job(store: &Store, job: &Job) -> Option<Self> {
        let keyed = job.unique_key.is_some() || job.order_key.is_some();
        if keyed || job.run_at > job.delivery.at {
            return None;
        }
        OFFERS.with(store.pushed(), |offers| {
            let mut serving = offers.iter().filter(|offer| offer.serves(job));
            serving.find_map(|shared| {
                let mut open = None;
                shared.stage.send_if_modified(|stage| {
                    if let Stage::Open(worker, at) = *stage
                        && at.elapsed() < FRESH
                        && (shared.begins)()
                    {
                        open = Some(worker);
                        *stage = Stage::UnderWay;
                    }
                    false
                });
                open.map(|worker| Self {
                    shared: shared.clone(),
                    worker,
                    settled: false,
                })
            })
        })
    }

    /// Stores the job as taken, and hands it over; in a task of its own, so that a caller who stops waiting, or is not
    /// polled any more, does not keep the worker waiting.
    pub(super) async fn push(mut self, store: &Store, job: &Job) -> Result<(), StoreError> {
        let free = store.check_free();
        let statement = free.and_then(|()| store::write_taken(store.backend(), job, self.worker));
        let statement = match statement {
            Ok(statement) => statement,
            Err(error) => {
                self.settle(Stage::Closed);
                return Err(error);
            }
        };
        let (store, job, mut place) = (store.clone(), job.clone(), self);
        let pushing = async move {
            // All rows, so that the statement comes to its end.
            let rows = store.writer().query_all_raw(statement).await?;
            let row = rows.first().ok_or(DbErr::RecordNotInserted)?;
            let id = row.try_get_by_index(0)?;
            if row.try_get_by_index::<i16>(1)? == 0 {
                place.settle(Stage::Closed);
                store.pushed().notify_waiters();
                return Ok(());
            }
            let hold = Hold { id, fence: 1 };
            let job = as_stored(job);
            if let Err(claimed) = place.hand(Claimed { hold, job }) {
                let now = claimed.job.delivery.at;
                let back = Ended::of(&claimed, End::GivenBack);
                if let Err(error) = end::write(store.writer(), &[back], now).await {
                    tracing::error!(%error, job = %claimed.job.id, "a job whose worker has ended could not be given back: others will find it");
                }
                store.pushed().notify_waiters();
            }
            Ok(())
        };
        let pushing = tokio::spawn(pushing.in_current_span().with_current_subscriber());
        pushing.await.unwrap_or(Err(StoreError::Interrupted))
    }

    /// The job again, if the worker has ended.
    fn hand(mut self, claimed: Claimed) -> Result<(), Box<Claimed>> {
        match self.settle(Stage::Handed(Box::new(claimed))) {
            Some(Stage::Handed(claimed)) => Err(claimed),
            _ => Ok(()),
        }
    }

    /// Says what became of the place, once. The stage again, if the worker has ended.
    fn settle(&mut self, to: Stage) -> Option<Stage> {
        let mut to = Some(to);
        if !std::mem::replace(&mut self.settled, true) {
            self.shared.stage.send_if_modified(|stage| {
                let waits = matches!(stage, Stage::UnderWay);
                if waits && let Some(to) = to.take() {
                    *stage = to;
                }
                waits
            });
        }
        to
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.settle(Stage::Doubt);
    }
}

/// The job as a claim would read it after its first attempt was counted.
fn as_stored(mut job: Job) -> Job {
    let stored = |at: DateTime<Utc>| time(at.timestamp_millis());
    job.attempts = 1;
    job.formerly = &[];
    job.run_at = stored(job.run_at);
    job.delivery.at = stored(job.delivery.at);
    job.expires_at = job.expires_at.map(stored);
    job
}

#[cfg(all(test, feature = "sqlite"))]
mod tests;
