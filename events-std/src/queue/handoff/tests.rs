//! The offers of a worker and the pushes that take them, on SQLite in memory.

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
