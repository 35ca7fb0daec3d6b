//! A process that is stopped for longer than others wait for its sign of life, and goes on.

use std::time::Duration;

use events_core::{Event, State, listener};
use events_std::Worker;
use sea_orm::{ConnectionTrait, Statement};

use crate::kill::{dispatch_all, number, workers};
use crate::kit::{Base, on_every_database, states, until};
use crate::process::{Effects, Process, events};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.lease")]
struct Lease(usize);

/// In the process that is stopped it waits, and fails; elsewhere it does its work.
#[listener(Lease, queue)]
async fn takes_its_time(event: &Lease, effects: &State<Effects>) -> Result<(), &'static str> {
    let parent = !effects.is_marked("child") || effects.is_marked(&std::process::id().to_string());
    effects.write(&format!("{} in {}", event.0, std::process::id()));
    if parent || event.0 >= 20 {
        return Ok(());
    }
    while !effects.is_marked("go") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Err("too late")
}

#[test]
fn what_it_says_of_jobs_that_others_have_is_not_accepted() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let effects = Effects::of(&base);
        effects.mark("child");
        effects.mark(&std::process::id().to_string());
        let process = Process::start(&base, module_path!(), 20);
        dispatch_all(&store, &events, (0..20).map(Lease)).await;
        until("all run there", async || effects.lines().len() == 20).await;
        process.signal("STOP");
        let taken_over = until("others have done all", async || {
            states(&store).await == [0, 0, 20, 0]
        });
        Worker::new(&events, &store)
            .heartbeat_lapse(Duration::from_secs(3))
            .run_until(taken_over)
            .await
            .unwrap();
        assert_eq!(workers(&store).await, 0);
        let before = rows(&store).await;
        effects.mark("go");
        process.signal("CONT");
        until("it has entered itself anew", async || {
            workers(&store).await == 1
        })
        .await;
        // It works on, under a new number.
        dispatch_all(&store, &events, (20..25).map(Lease)).await;
        until("it has done more", async || {
            states(&store).await == [0, 0, number(25), 0]
        })
        .await;
        drop(process);
        assert_eq!(rows(&store).await[..20], before[..]);
    });
}

async fn rows(store: &events_std::Store) -> Vec<(i64, i64, i64, i32)> {
    let rows = store
        .writer()
        .query_all_raw(Statement::from_string(
            store.backend(),
            "SELECT id, fence, changed_at, attempts FROM events_jobs ORDER BY id",
        ))
        .await
        .unwrap();
    rows.iter()
        .map(|row| {
            (
                row.try_get_by_index(0).unwrap(),
                row.try_get_by_index(1).unwrap(),
                row.try_get_by_index(2).unwrap(),
                row.try_get_by_index(3).unwrap(),
            )
        })
        .collect()
}
