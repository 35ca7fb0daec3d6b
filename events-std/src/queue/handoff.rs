//! A job that a push hands to an idle worker of its own process: it is stored as taken by it, its attempt counted, and no
//! claim has to follow, which would be a second commit before the listener starts.
//!
//! An offer is for one job. The worker takes it back before it does anything else, and waits a while for what is under
//! way: so nothing that the store has as its own is unknown to it while it looks. Who comes too late gives its job back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::{Claimable, Job};
use sea_orm::{ConnectionTrait as _, DbErr};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;

use super::claim::{Claimed, Hold, time};
use super::end::{self, End, Ended};
use crate::store::{self, Store, StoreError};

/// By store: what its workers in this process offer.
static OFFERS: Mutex<BTreeMap<usize, Vec<Arc<Shared>>>> = Mutex::new(BTreeMap::new());

fn with_offers<T>(store: &Arc<Notify>, look: impl FnOnce(&mut Vec<Arc<Shared>>) -> T) -> T {
    let store = Arc::as_ptr(store).addr();
    let mut all = OFFERS.lock().unwrap_or_else(PoisonError::into_inner);
    let offers = all.entry(store).or_default();
    let seen = look(offers);
    if offers.is_empty() {
        all.remove(&store);
    }
    seen
}

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
        with_offers(&self.store, |offers| offers.push(self.shared.clone()));
    }

    fn unlist(&self) {
        with_offers(&self.store, |offers| {
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
        with_offers(store.pushed(), |offers| {
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
mod tests {
    use std::sync::Arc;

    use chrono::{TimeDelta, Utc};
    use events_core::{Claimable, Event, Events, Job, Queue as _, listener};
    use sea_orm::{ConnectionTrait as _, Statement};

    use tokio::time::Instant;

    use super::{Answer, FRESH, Offer, Place, Stage};
    use crate::queue::claim::{self, Terms, Wanted};
    use crate::queue::end::{self, End, Ended};
    use crate::queue::presence::{Card, Presence};
    use crate::store::Store;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "handoff.asked")]
    struct Asked(u32);

    #[listener(Asked, queue = "desk")]
    async fn hears(_: &Asked) {}

    struct Desk {
        store: Store,
        events: Events,
        presence: Presence,
        known: Vec<Arc<Claimable>>,
    }

    impl Desk {
        async fn new() -> Self {
            let store = Store::connect("sqlite::memory:").await.unwrap();
            let builder = Events::builder().only_linked_in(module_path!());
            let events = builder.queue(store.queue()).build().unwrap();
            let card = Card {
                name: "desk",
                claims: "[]",
                queues: "[]",
                lapse: std::time::Duration::from_mins(1),
            };
            let presence = Presence::enter(&store, card, Utc::now()).await.unwrap();
            Self {
                known: events.claimable().into_iter().map(Arc::new).collect(),
                store,
                events,
                presence,
            }
        }

        fn offer(&self) -> Offer {
            let (queues, known) = (vec!["desk".to_owned()], self.known.clone());
            Offer::new(&self.store, queues, known, Arc::new(|| true))
        }

        async fn push(&self) {
            self.events.dispatch(&Asked(7)).await.unwrap();
        }

        /// State, attempts, fence and worker of the last job.
        async fn last(&self) -> (i32, i32, i64, Option<i64>) {
            let last =
                "SELECT state, attempts, fence, worker FROM events_jobs ORDER BY id DESC LIMIT 1";
            let last = Statement::from_string(self.store.backend(), last);
            let row = self
                .store
                .writer()
                .query_one_raw(last)
                .await
                .unwrap()
                .unwrap();
            let of = |index| row.try_get_by_index(index).unwrap();
            (
                of(0),
                of(1),
                row.try_get_by_index(2).unwrap(),
                row.try_get_by_index(3).unwrap(),
            )
        }

        async fn claim(&self) -> Job {
            let listed = claim::known_list(
                self.store.backend(),
                self.known.iter().map(|known| &**known),
            );
            let terms = Terms {
                worker: self.presence.id,
                known: &listed,
                in_order: "",
                now: Utc::now(),
            };
            let wanted = [Wanted {
                queue: "desk",
                limit: 1,
                floor: 0,
            }];
            let claimed = claim::claim(self.store.writer(), &terms, &wanted, 1).await;
            claimed.unwrap().pop().expect("a job").job
        }
    }

    #[tokio::test]
    async fn a_handed_job_is_what_a_claim_would_have_read() {
        let desk = Desk::new().await;
        let mut offer = desk.offer();
        offer.open(desk.presence.id);
        desk.push().await;
        let worker = Some(desk.presence.id);
        assert_eq!(desk.last().await, (1, 1, 1, worker));
        let Answer::Job(handed) = offer.close().await else {
            panic!("it was not handed over");
        };
        let back = Ended::of(&handed, End::GivenBack);
        end::write(desk.store.writer(), &[back], Utc::now())
            .await
            .unwrap();
        assert_eq!(desk.last().await, (0, 0, 1, None));
        assert_eq!(desk.claim().await, handed.job);
    }

    #[tokio::test]
    async fn an_offer_is_for_one_job_and_for_nothing_but_what_may_run_now() {
        let desk = Desk::new().await;
        let mut offer = desk.offer();
        desk.push().await;
        assert_eq!(desk.last().await, (0, 0, 0, None), "it was not open");
        let plain = desk.claim().await;
        offer.open(desk.presence.id);
        let others: [fn(&mut Job); 6] = [
            |job| job.run_at += TimeDelta::seconds(1),
            |job| job.unique_key = Some("7".to_owned()),
            |job| job.order_key = Some("7".to_owned()),
            |job| job.queue = "mail".to_owned(),
            |job| job.version = 9,
            |job| job.listener = "somebody else".to_owned(),
        ];
        for change in others {
            let mut job = plain.clone();
            change(&mut job);
            assert!(Place::for_job(&desk.store, &job).is_none(), "{job:?}");
        }
        desk.push().await;
        desk.push().await;
        assert_eq!(desk.last().await, (0, 0, 0, None), "the place is taken");
        assert!(matches!(offer.close().await, Answer::Job(_)));
        assert!(matches!(offer.close().await, Answer::Nothing));
    }

    #[tokio::test]
    async fn a_job_waits_for_all_if_its_worker_was_taken_for_dead_or_has_ended() {
        let desk = Desk::new().await;
        let mut offer = desk.offer();
        offer.open(desk.presence.id + 1);
        desk.push().await;
        assert_eq!(desk.last().await, (0, 0, 0, None));
        assert!(matches!(offer.close().await, Answer::Nothing));

        let mut job = desk.claim().await;
        let mut offer = Some(offer);
        for ends in [false, true] {
            offer.as_ref().unwrap().open(desk.presence.id);
            let place = Place::for_job(&desk.store, &job).expect("a place");
            if ends {
                offer = None;
            } else {
                offer.as_mut().unwrap().renew();
            }
            job.id = uuid::Uuid::now_v7();
            place.push(&desk.store, &job).await.unwrap();
            assert_eq!(desk.last().await, (0, 0, 1, None), "it was given back");
        }
    }

    #[tokio::test]
    async fn neither_side_waits_long_for_the_other() {
        let desk = Desk::new().await;
        let mut offer = desk.offer();
        desk.push().await;
        let job = desk.claim().await;

        // A worker that does not look any more, and one that must not begin anything.
        let open = Stage::Open(desk.presence.id, Instant::now() - FRESH);
        offer.shared.stage.send_replace(open);
        assert!(Place::for_job(&desk.store, &job).is_none());
        let (queues, known) = (vec!["desk".to_owned()], desk.known.clone());
        let yields = Offer::new(&desk.store, queues, known, Arc::new(|| false));
        yields.open(desk.presence.id);
        assert!(Place::for_job(&desk.store, &job).is_none());

        // A push that does not come to its end.
        assert!(matches!(offer.close().await, Answer::Nothing));
        offer.open(desk.presence.id);
        let place = Place::for_job(&desk.store, &job).expect("a place");
        assert!(matches!(offer.close().await, Answer::Doubt));
        offer.open(desk.presence.id);
        drop(place);
        assert!(matches!(offer.close().await, Answer::Nothing));
    }

    #[tokio::test]
    async fn a_push_that_fails_leaves_a_doubt_and_one_that_is_refused_does_not() {
        let desk = Desk::new().await;
        let mut offer = desk.offer();
        desk.push().await;
        let job = desk.claim().await;
        for (breaks, payload) in [(true, "{}"), (false, "a NUL: \0")] {
            let mut job = job.clone();
            job.payload = payload.into();
            offer.open(desk.presence.id);
            if breaks {
                desk.store
                    .writer()
                    .execute_unprepared("ALTER TABLE events_jobs RENAME TO elsewhere")
                    .await
                    .unwrap();
            }
            assert!(desk.store.queue().push(vec![job]).await.is_err());
            let answer = offer.close().await;
            assert_eq!(matches!(answer, Answer::Doubt), breaks);
        }
    }
}
