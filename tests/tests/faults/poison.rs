//! A job that ends its process.

use events_core::{Attempt, Event, JobFailure, State, listener};
use events_tests::Effects;
use sea_orm::{ConnectionTrait, Statement};

use crate::kill::dispatch_all;
use crate::kit::{Base, number, on_every_database, states, until};
use crate::process::{Process, events};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.cup")]
struct Cup(usize);

const POISONED: usize = 17;

#[listener(Cup, queue, tries = 3, backoff = "10ms", failed = buried)]
fn drinks(event: &Cup, attempt: Attempt, effects: &State<Effects>) {
    effects.write(&format!("{} at {}", event.0, attempt.number));
    if event.0 == POISONED {
        std::process::abort();
    }
}

fn buried(event: &Cup, failure: &JobFailure, effects: &State<Effects>) {
    effects.write(&format!("buried {}: {}", event.0, failure.reason()));
}

#[test]
fn it_is_parked_as_crashed_and_costs_the_others_nothing() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        dispatch_all(&store, &events, (0..40).map(Cup)).await;
        let mut process = Process::start(&base, module_path!(), 8);
        until("all has ended", async || {
            if process.has_ended() {
                process = Process::start(&base, module_path!(), 8);
            }
            states(&store).await == [0, 0, 39, 1]
        })
        .await;
        let lines = Effects::of(&base.folder).lines();
        let poisoned: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with(&format!("{POISONED} ")))
            .collect();
        assert!(poisoned.len() <= 4, "{poisoned:?}");
        assert!(lines.contains(&format!("buried {POISONED}: crashed")));
        let spent = "SELECT COUNT(*) FROM events_jobs WHERE state = 2 AND attempts <> 1";
        assert_eq!(number(&store, spent).await, 0);
        let parked = store
            .writer()
            .query_one_raw(Statement::from_string(
                store.backend(),
                "SELECT reason, attempts FROM events_jobs WHERE state = 3",
            ))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(parked.try_get_by_index::<String>(0).unwrap(), "crashed");
        assert_eq!(parked.try_get_by_index::<i32>(1).unwrap(), 3);
    });
}
