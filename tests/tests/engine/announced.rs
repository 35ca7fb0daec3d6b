//! Announcements: how `SyncCompleted` reaches inline listeners across a crash (section 1, rule 5).

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use events_core::{Attempt, Delivery, Events, EventsBuilder, Fault, FaultKind, State, listener};
use events_std::{IntegrationCreated, Integrations, RunState, Store, SyncCompleted, Tx, Worker};
use uuid::Uuid;

use crate::desk::{DeskBench, until};
use crate::kit::on_both;

/// How often the announcement is refused yet; and who heard it, in which attempt, under which delivery.
#[derive(Default)]
struct Announced {
    refusals: AtomicU32,
    heard: Mutex<Vec<(u32, Uuid, u64)>>,
}

mod inline {
    use super::{Announced, Attempt, Delivery, Ordering, State, SyncCompleted, listener};

    #[listener(SyncCompleted, handle = COMPLETED)]
    pub(super) async fn completed(
        event: &SyncCompleted,
        attempt: Attempt,
        delivery: Delivery,
        announced: &State<Announced>,
    ) -> Result<(), String> {
        let heard = (attempt.number, delivery.id, event.result.success_count);
        announced.heard.lock().unwrap().push(heard);
        let left = |left: u32| left.checked_sub(1);
        match announced
            .refusals
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
        {
            Ok(_) => Err("not now".to_owned()),
            Err(_) => Ok(()),
        }
    }
}

async fn announcing(url: String, refusals: u32) -> DeskBench {
    let announced = Announced {
        refusals: refusals.into(),
        ..Announced::default()
    };
    let listening = |builder: EventsBuilder| builder.register(inline::COMPLETED).state(announced);
    DeskBench::with(url, listening).await
}

impl DeskBench {
    fn announced(&self) -> Vec<(u32, Uuid, u64)> {
        let announced = self.bench.events.state::<Announced>().unwrap();
        announced.heard.lock().unwrap().clone()
    }

    /// Works as another process would, while the time passes quickly, until the announcement has ended in this state.
    async fn work_until(&self, state: i16) {
        let store = Store::connect(&self.bench.url).await.unwrap();
        let worker = Worker::new(&self.bench.events, &store).poll_every(Duration::from_millis(5));
        let query = format!(
            "SELECT COUNT(*) FROM events_jobs WHERE event = 'sync.completed' AND state = {state}"
        );
        let ended = until("the announcement ends", async || {
            self.bench.clock.advance(TimeDelta::seconds(5));
            self.bench.column::<i64>(&query).await == [1]
        });
        worker.run_until(ended).await.unwrap();
    }
}

/// Rule 5 (better): `SyncCompleted` reaches inline listeners across a crash. Whoever decides the run leaves the
/// announcement in the database; if one of them fails, all of it is tried again, always under the same `Delivery::id`.
async fn sync_completed_reaches_inline_listeners_across_a_crash(url: String) {
    let desk = announcing(url, 2).await;
    let run = desk.sync([1, 2, 3]).await;
    assert_eq!(run.state, RunState::Closed);
    assert_eq!(
        desk.announced(),
        [],
        "the process that closed it may die here"
    );
    desk.work_until(2).await;
    let heard = desk.announced();
    let numbers: Vec<_> = heard.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(heard.iter().all(|(_, delivery, _)| *delivery == heard[0].1));
    assert!(heard.iter().all(|(.., items)| *items == 3));
    let heard = desk.bench.heard.names();
    let of = |name| heard.iter().filter(|heard| **heard == name).count();
    assert_eq!(of("sync.completed"), 3, "the whole announcement each time");
    assert_eq!(of("integration.synced"), 1, "right after the commit");
    desk.bench.work().await;
    assert_eq!(desk.announced().len(), 3, "and never again");
}

/// Rule 5: an announcement that fails is tried again by the default tries, then parked.
async fn an_announcement_that_fails_is_parked_after_the_default_tries(url: String) {
    let desk = announcing(url, u32::MAX).await;
    desk.sync([1]).await;
    desk.work_until(3).await;
    assert_eq!(desk.announced().len(), 3);
    desk.bench.work().await;
    assert_eq!(desk.announced().len(), 3, "until somebody decides");
}

mod in_the_transaction {
    use super::{IntegrationCreated, Tx, listener};

    #[listener(IntegrationCreated, handle = INLINE)]
    pub(super) async fn inline(_: &IntegrationCreated, _: &Tx) {}

    #[listener(IntegrationCreated, queue, handle = QUEUED)]
    pub(super) async fn queued(_: &IntegrationCreated, _: &Tx) {}
}

/// Rule 5: an inline listener on a canonical event cannot ask for a transaction, and `build()` says so; a queued one can.
async fn an_inline_listener_cannot_ask_for_the_transaction(url: String) {
    let store = Store::connect(&url).await.unwrap();
    let builder = || {
        let engine = Integrations::builder(&store)
            .without_linked()
            .build()
            .unwrap();
        let builder = Events::builder().without_linked();
        builder.state(engine).queue(store.queue())
    };
    let error = builder()
        .register(in_the_transaction::INLINE)
        .build()
        .unwrap_err();
    let kinds: Vec<_> = error.faults().iter().map(Fault::kind).collect();
    assert_eq!(kinds, [FaultKind::NoTransaction], "{error}");
    let queued = builder().register(in_the_transaction::QUEUED).build();
    queued.unwrap();
}

on_both!(
    an_announcement_that_fails_is_parked_after_the_default_tries,
    an_inline_listener_cannot_ask_for_the_transaction,
    sync_completed_reaches_inline_listeners_across_a_crash,
);
