//! Two workers in one process, and a job that ends it: what the one runs must not hide what the other's job does.

use std::time::Duration;

use events_core::{Event, State, listener};
use events_tests::Effects;

use crate::kill::dispatch_all;
use crate::kit::{self, Base, number, on_every_database, states, until};
use crate::process::{Orders, Process, events, told_to_end};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.poison")]
struct Poison;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.water")]
struct Water(usize);

#[listener(Poison, queue = "poison", tries = 3, backoff = "10ms")]
fn kills(_: &Poison, effects: &State<Effects>) {
    effects.write("poisoned");
    std::process::abort();
}

#[listener(Water, queue = "water")]
async fn drinks(_: &Water) {
    // Long enough that one of them runs at every moment.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// The other role: not a test, unless the variables say so.
#[test]
fn workers() {
    let Some(orders) = Orders::of_process() else {
        return;
    };
    kit::runtime().block_on(async {
        let store = orders.base.store().await;
        let events = events(module_path!(), &store, &orders.base);
        let worker = |queue| {
            orders
                .worker(&events, &store)
                .queues([queue])
                .run_until(told_to_end())
        };
        let (one, other) = tokio::join!(worker("poison"), worker("water"));
        one.and(other).unwrap();
    });
}

#[test]
fn a_poisonous_job_is_found_though_another_worker_of_its_process_always_runs_something() {
    const ALL: usize = 200;
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        dispatch_all(&store, &events, (0..ALL).map(Water)).await;
        dispatch_all(&store, &events, std::iter::once(Poison)).await;
        let start = || Process::start_as(&base, "pair::workers", 4);
        let mut process = start();
        until("all has ended", async || {
            if process.has_ended() {
                process = start();
            }
            states(&store).await == [0, 0, 200, 1]
        })
        .await;
        let poisoned = Effects::of(&base.folder).lines().len();
        assert!(poisoned <= 4, "{poisoned} runs of 3");
        let spent = "SELECT COUNT(*) FROM events_jobs WHERE state = 2 AND attempts <> 1";
        assert_eq!(number(&store, spent).await, 0);
    });
}
