//! A worker that does what is due, with a clock that stands still.

use std::sync::Arc;

use chrono::TimeDelta;
use events_core::{Attempt, Event, Events, ManualClock, listener};
use events_std::Worker;
use sea_orm::ConnectionTrait;

use crate::kit::{Base, on_every_database, states};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.due")]
struct Due {
    key: String,
}

fn key(event: &Due) -> String {
    event.key.clone()
}

/// The second job of a key is due, but waits for the first, which is tried again later.
#[listener(Due, queue = "fast", order_by = key, backoff = "10s")]
async fn in_order(_: &Due, attempt: Attempt) -> Result<(), &'static str> {
    if attempt.number == 1 {
        return Err("not yet");
    }
    Ok(())
}

#[listener(Due, queue = "slow", delay = "1m")]
fn later(_: &Due) {}

#[test]
fn what_is_due_later_stays() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let clock = Arc::new(ManualClock::default());
        let builder = Events::builder().only_linked_in(module_path!());
        let builder = builder.queue(store.queue()).clock(clock.clone());
        let events = builder.build().unwrap();
        for _ in 0..2 {
            events.dispatch(&Due { key: "one".into() }).await.unwrap();
        }
        let work = || Worker::new(&events, &store).concurrency(1).run_due();
        assert_eq!(work().await.unwrap().ended, 1, "the first one has failed");
        assert_eq!(states(&store).await, [4, 0, 0, 0]);
        assert_eq!(work().await.unwrap().ended, 0);
        clock.advance(TimeDelta::seconds(10));
        // It goes well now, so that the second of its key may fail.
        assert_eq!(work().await.unwrap().ended, 2);
        assert_eq!(states(&store).await, [3, 0, 1, 0]);
        clock.advance(TimeDelta::seconds(50));
        assert_eq!(work().await.unwrap().ended, 3);
        assert_eq!(states(&store).await, [0, 0, 4, 0]);
    });
}

/// As one that a timer starts once a day.
#[test]
fn one_that_never_works_for_long_forgets_and_parks_too() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let clock = Arc::new(ManualClock::default());
        let builder = Events::builder().only_linked_in(module_path!());
        let builder = builder.queue(store.queue()).clock(clock.clone());
        let events = builder.build().unwrap();
        let work = || Worker::new(&events, &store).queues(["slow"]).run_due();
        for key in ["one", "two"] {
            events.dispatch(&Due { key: key.into() }).await.unwrap();
        }
        let removed = "UPDATE events_jobs SET listener = 'due::removed' WHERE queue = 'fast'";
        store.writer().execute_unprepared(removed).await.unwrap();
        clock.advance(TimeDelta::minutes(1));
        work().await.unwrap();
        assert_eq!(states(&store).await, [2, 0, 2, 0]);
        for day in 1..=8 {
            clock.advance(TimeDelta::days(1) + TimeDelta::minutes(1));
            let ended = work().await.unwrap().ended;
            let parked = if day < 8 { [2, 0, 0, 0] } else { [0, 0, 0, 2] };
            assert_eq!((ended, states(&store).await), (0, parked), "day {day}");
        }
    });
}

/// Many that are parked stand before and between those that are done: all of these are found, and only the old ones.
#[test]
fn what_is_done_is_forgotten_wherever_it_stands() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let clock = Arc::new(ManualClock::default());
        let builder = Events::builder().only_linked_in(module_path!());
        let builder = builder.queue(store.queue()).clock(clock.clone());
        let events = builder.build().unwrap();
        let execute = async |sql: &str| {
            store.writer().execute_unprepared(sql).await.unwrap();
        };
        events.dispatch(&Due { key: "one".into() }).await.unwrap();
        let columns = "uid, queue, event, version, listener, payload, state, run_at, attempts, fence, alone, \
                       delivery_id, dispatched_at, correlation_id, changed_at";
        execute("UPDATE events_jobs SET state = 3").await;
        for _ in 0..11 {
            let copy =
                format!("INSERT INTO events_jobs ({columns}) SELECT {columns} FROM events_jobs");
            execute(&copy).await;
        }
        assert_eq!(states(&store).await, [0, 0, 0, 4_096]);
        let done = "UPDATE events_jobs SET state = 2 WHERE id > 1500 AND id % 3 = 0";
        execute(done).await;
        let [_, _, old, parked] = states(&store).await;
        assert!(old > 500);
        clock.advance(TimeDelta::days(1) + TimeDelta::minutes(1));
        events.dispatch(&Due { key: "new".into() }).await.unwrap();
        clock.advance(TimeDelta::minutes(1));
        let work = || Worker::new(&events, &store).queues(["slow"]).run_due();
        assert_eq!(work().await.unwrap().ended, 1);
        assert_eq!(states(&store).await, [1, 0, 1, parked]);
        clock.advance(TimeDelta::days(1) + TimeDelta::minutes(1));
        assert_eq!(work().await.unwrap().ended, 0);
        assert_eq!(states(&store).await, [1, 0, 0, parked]);
    });
}
