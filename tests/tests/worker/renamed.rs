//! A listener that was renamed, with jobs of both names: their keys are the same.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use events_core::{Event, Events, EventsBuilder, ManualClock};
use events_std::{Store, Worker};
use sea_orm::ConnectionTrait;

use crate::kit::{Base, on_every_database, states};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "renamed.step")]
struct Step(u32);

#[derive(Clone, Debug, Event)]
#[event(durable, name = "renamed.once")]
struct Once(u32);

#[derive(Clone, Debug, Event)]
#[event(durable, name = "renamed.for_a_time")]
struct ForATime(u32);

type Ran = Mutex<Vec<u32>>;

fn one_key(_: &Step) -> &'static str {
    "key"
}

/// The program of yesterday.
mod before {
    use events_core::listener;

    use super::{ForATime, Once, Step, one_key};

    #[listener(Step, queue, order_by = one_key, name = "renamed.old")]
    async fn step(_: &Step) {}

    #[listener(Once, queue, unique, name = "renamed.old_once")]
    async fn once(_: &Once) {}

    #[listener(
        ForATime,
        queue,
        unique,
        unique_for = "1h",
        name = "renamed.old_for_a_time"
    )]
    async fn for_a_time(_: &ForATime) {}
}

/// The program of today.
mod after {
    use events_core::{Attempt, State, listener};

    use super::{ForATime, Once, Ran, Step, one_key};

    /// The first fails once.
    #[listener(
        Step,
        queue,
        order_by = one_key,
        backoff = "1ms",
        name = "renamed.new",
        formerly = ["renamed.old", "renamed.older"]
    )]
    async fn step(event: &Step, attempt: Attempt, ran: &State<Ran>) -> Result<(), &'static str> {
        ran.lock().unwrap().push(event.0);
        if event.0 == 1 && attempt.number == 1 {
            return Err("not yet");
        }
        Ok(())
    }

    #[listener(
        Once,
        queue,
        unique,
        name = "renamed.new_once",
        formerly = "renamed.old_once"
    )]
    async fn once(_: &Once) {}

    #[listener(
        ForATime,
        queue,
        unique,
        unique_for = "1h",
        name = "renamed.new_for_a_time",
        formerly = "renamed.old_for_a_time"
    )]
    async fn for_a_time(_: &ForATime) {}
}

async fn programs(base: &Base) -> (Store, Events, Events) {
    let store = base.store().await;
    let program = |module: &str| program(&store, module).build().unwrap();
    let (before, after) = (program(BEFORE), program(AFTER));
    (store, before, after)
}

const BEFORE: &str = concat!(module_path!(), "::before");
const AFTER: &str = concat!(module_path!(), "::after");

fn program(store: &Store, module: &str) -> EventsBuilder {
    Events::builder()
        .only_linked_in(module)
        .state(Ran::default())
        .queue(store.queue())
}

#[test]
fn jobs_of_both_names_run_in_the_order_of_their_key() {
    on_every_database(async |base: Base| {
        let (store, before, after) = programs(&base).await;
        before.dispatch(&Step(1)).await.unwrap();
        after.dispatch(&Step(2)).await.unwrap();
        before.dispatch(&Step(3)).await.unwrap();
        Worker::new(&after, &store).drain().await.unwrap();
        assert_eq!(states(&store).await, [0, 0, 3, 0]);
        let ran = after.state::<Ran>().unwrap().lock().unwrap().clone();
        assert_eq!(ran, [1, 1, 2, 3]);
    });
}

#[test]
fn one_that_runs_under_the_former_name_keeps_the_next_waiting() {
    on_every_database(async |base: Base| {
        let (store, before, after) = programs(&base).await;
        before.dispatch(&Step(2)).await.unwrap();
        after.dispatch(&Step(3)).await.unwrap();
        for statement in [
            "INSERT INTO events_workers (name, host, boot, process, claims, lapse, started_at, heartbeat_at) \
             VALUES ('another', 'elsewhere', 'b', 1, '[]', 3600000, 0, 0)",
            "UPDATE events_jobs SET state = 1, attempts = 1, fence = 1, \
             worker = (SELECT id FROM events_workers WHERE name = 'another') WHERE id = 1",
        ] {
            store.writer().execute_unprepared(statement).await.unwrap();
        }
        Worker::new(&after, &store).run_due().await.unwrap();
        assert_eq!(states(&store).await, [1, 1, 0, 0]);
    });
}

#[test]
fn an_equal_job_of_the_former_name_makes_one_superfluous() {
    on_every_database(async |base: Base| {
        let (store, before, after) = programs(&base).await;
        before.dispatch(&Once(7)).await.unwrap();
        for program in [&before, &after] {
            program.dispatch(&Once(7)).await.unwrap();
        }
        assert_eq!(states(&store).await, [1, 0, 0, 0]);
        after.dispatch(&Once(8)).await.unwrap();
        assert_eq!(states(&store).await, [2, 0, 0, 0]);
        Worker::new(&after, &store).drain().await.unwrap();
        after.dispatch(&Once(7)).await.unwrap();
        assert_eq!(states(&store).await, [1, 0, 2, 0]);
    });
}

#[test]
fn a_former_name_keeps_equal_ones_away_no_longer_than_it_may() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let clock = Arc::new(ManualClock::default());
        let program = |module: &str| program(&store, module).clock(clock.clone()).build();
        let (before, after) = (program(BEFORE).unwrap(), program(AFTER).unwrap());
        before.dispatch(&ForATime(7)).await.unwrap();
        clock.advance(TimeDelta::minutes(59));
        after.dispatch(&ForATime(7)).await.unwrap();
        assert_eq!(states(&store).await, [1, 0, 0, 0]);
        clock.advance(TimeDelta::minutes(1));
        after.dispatch(&ForATime(7)).await.unwrap();
        assert_eq!(states(&store).await, [2, 0, 0, 0]);
    });
}
