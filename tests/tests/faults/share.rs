//! Old and new programs share a store, and what is kept how long.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use events_core::{Events, ManualClock};
use events_std::{Store, Worker};
use sea_orm::ConnectionTrait;

use crate::kit::{Base, number, on_every_database, states, until};

/// The old program's listeners.
mod old {
    use events_core::{Event, listener};

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "faults.shared_old")]
    pub(super) struct Old;

    #[listener(Old, queue)]
    async fn hears_the_old(_: &Old) {}
}

/// What only the new program has.
mod new {
    use events_core::{Event, listener};

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "faults.shared_new")]
    pub(super) struct New;

    #[listener(New, queue)]
    async fn hears_the_new(_: &New) {}

    #[listener(super::old::Old, queue)]
    async fn hears_the_old_too(_: &super::old::Old) {}
}

fn program(store: &Store, module: &str, clock: &Arc<ManualClock>) -> Events {
    Events::builder()
        .only_linked_in(&format!("{}::{module}", module_path!()))
        .queue(store.queue())
        .clock(clock.clone())
        .build()
        .unwrap()
}

#[test]
fn a_worker_leaves_alone_what_it_does_not_know_and_parks_what_nobody_knows_after_seven_days() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let clock = Arc::new(ManualClock::default());
        let old = program(&store, "old", &clock);
        let new = program(&store, "new", &clock);
        new.dispatch(&new::New).await.unwrap();
        new.dispatch(&old::Old).await.unwrap();
        old.dispatch(&old::Old).await.unwrap();
        let drain =
            async |events: &Events| Worker::new(events, &store).drain().await.unwrap().ended;
        assert_eq!(drain(&old).await, 1);
        assert_eq!(states(&store).await, [2, 0, 1, 0]);
        // While a program that knows them lives, they wait for it however long.
        clock.advance(TimeDelta::days(8));
        let name = "events_workers";
        let claims = serde_json::to_string(
            &new.claimable()
                .iter()
                .map(|known| format!("{}\n{}\n{}", known.event, known.version, known.listener))
                .collect::<Vec<_>>(),
        )
        .unwrap();
        let claims = claims.replace('\'', "''");
        store
            .writer()
            .execute_unprepared(&format!(
                "INSERT INTO {name} (name, host, boot, process, claims, started_at, heartbeat_at) \
                 VALUES ('new', 'elsewhere', 'another', 1, '{claims}', 0, 0)"
            ))
            .await
            .unwrap();
        look(&old, &store).await;
        assert_eq!(states(&store).await, [2, 0, 1, 0]);
        store
            .writer()
            .execute_unprepared("DELETE FROM events_workers")
            .await
            .unwrap();
        // One is not among those that claims look at.
        store
            .writer()
            .execute_unprepared("UPDATE events_jobs SET behind = TRUE WHERE id = (SELECT MAX(id) FROM events_jobs WHERE state = 0)")
            .await
            .unwrap();
        // From the first look on that finds nobody who knows them.
        for _ in 0..8 {
            assert_eq!(states(&store).await, [2, 0, 1, 0]);
            clock.advance(TimeDelta::days(1));
            look(&old, &store).await;
        }
        let parked = until("they are parked", async || states(&store).await[3] == 2);
        keep(&old, &store).run_until(parked).await.unwrap();
        assert_eq!(states(&store).await, [0, 0, 1, 2]);
        let event = "SELECT COUNT(*) FROM events_jobs WHERE reason = 'unknown_event'";
        let listener = "SELECT COUNT(*) FROM events_jobs WHERE reason = 'unknown_listener'";
        assert_eq!(number(&store, event).await, 1);
        assert_eq!(number(&store, listener).await, 1);
    });
}

fn keep(events: &Events, store: &Store) -> Worker {
    Worker::new(events, store).keep_done_for(None)
}

/// Lets a worker of the program live until it has looked for what nobody knows.
async fn look(events: &Events, store: &Store) {
    let looked = "SELECT COALESCE(MAX(seen_at), 0) FROM events_unknown WHERE name = ''";
    let now = events.now().timestamp_millis();
    let looked = until("it has looked", async || number(store, looked).await == now);
    keep(events, store).run_until(looked).await.unwrap();
}

#[test]
fn a_time_in_which_no_worker_lived_parks_nothing() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let clock = Arc::new(ManualClock::default());
        let old = program(&store, "old", &clock);
        let new = program(&store, "new", &clock);
        new.dispatch(&new::New).await.unwrap();
        clock.advance(TimeDelta::days(1));
        look(&old, &store).await;
        // The first worker after it knows nothing of the job, and another comes a while later.
        clock.advance(TimeDelta::days(30));
        look(&old, &store).await;
        clock.advance(TimeDelta::hours(1));
        look(&old, &store).await;
        assert_eq!(states(&store).await, [1, 0, 0, 0]);
        assert_eq!(keep(&new, &store).drain().await.unwrap().ended, 1);
        assert_eq!(states(&store).await, [0, 0, 1, 0]);
    });
}

#[test]
fn a_worker_that_knows_the_listener_begins_the_seven_days_anew_however_shortly_it_lives() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let clock = Arc::new(ManualClock::default());
        let old = program(&store, "old", &clock);
        let new = program(&store, "new", &clock);
        new.dispatch(&new::New).await.unwrap();
        for _ in 0..7 {
            clock.advance(TimeDelta::days(1));
            look(&old, &store).await;
        }
        // Of another queue: it leaves the job where it is.
        let none = "SELECT COUNT(*) FROM events_unknown WHERE name <> ''";
        assert_eq!(number(&store, none).await, 1);
        let told = until("it has told", async || number(&store, none).await == 0);
        let elsewhere = keep(&new, &store).queues(["elsewhere"]);
        elsewhere.run_until(told).await.unwrap();
        for _ in 0..7 {
            clock.advance(TimeDelta::days(1));
            look(&old, &store).await;
            assert_eq!(states(&store).await, [1, 0, 0, 0]);
        }
        clock.advance(TimeDelta::days(1));
        let parked = until("it is parked", async || states(&store).await[3] == 1);
        keep(&old, &store).run_until(parked).await.unwrap();
    });
}

#[test]
fn finished_jobs_are_forgotten_after_a_time() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let clock = Arc::new(ManualClock::default());
        let events = program(&store, "old", &clock);
        // More than are deleted at once.
        for _ in 0..25 {
            events.dispatch(&old::Old).await.unwrap();
        }
        let keep = || Worker::new(&events, &store).keep_done_for(Some(Duration::from_hours(1)));
        keep().drain().await.unwrap();
        for _ in 0..7 {
            double(&store).await;
        }
        assert_eq!(states(&store).await[2], 25 * 128);
        clock.advance(TimeDelta::minutes(59));
        events.dispatch(&old::Old).await.unwrap();
        keep().drain().await.unwrap();
        assert_eq!(states(&store).await[2], 25 * 128 + 1);
        clock.advance(TimeDelta::minutes(2));
        let forgotten = until("they are forgotten", async || states(&store).await[2] == 1);
        keep().run_until(forgotten).await.unwrap();
    });
}

async fn double(store: &Store) {
    let columns = "uid, queue, event, version, listener, payload, state, run_at, attempts, fence, delivery_id, \
                   dispatched_at, correlation_id, changed_at";
    let copy = format!(
        "INSERT INTO events_jobs ({columns}) SELECT {columns} FROM events_jobs WHERE state = 2"
    );
    store.writer().execute_unprepared(&copy).await.unwrap();
}
