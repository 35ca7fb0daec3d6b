//! A process that is stopped for longer than others wait for its sign of life, and goes on.

use std::time::Duration;

use events_core::{Event, State, listener};
use events_std::{Tx, Worker};
use events_tests::Effects;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::kill::{dispatch_all, number, workers};
use crate::kit::{Base, on_every_database, states, until};
use crate::process::{Process, events};

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
        let effects = Effects::of(&base.folder);
        effects.mark("child");
        effects.mark(&std::process::id().to_string());
        let process = Process::start_impatient(&base, module_path!(), 20);
        dispatch_all(&store, &events, (0..20).map(Lease)).await;
        until("all run there", async || effects.lines().len() == 20).await;
        stop_between_writes(&process, &store).await;
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

/// Stops the process, of which others are to lose patience sooner than it does. It must not be stopped while it writes,
/// which would keep others from writing: on SQLite all of them.
async fn stop_between_writes(process: &Process, store: &events_std::Store) {
    let sooner = "UPDATE events_workers SET lapse = 3000";
    until("it is stopped where others can write", async || {
        process.signal("STOP");
        let written = store.writer().execute_unprepared(sooner);
        let written = tokio::time::timeout(Duration::from_secs(10), written).await;
        let written = matches!(written, Ok(Ok(_)));
        if !written {
            process.signal("CONT");
        }
        written
    })
    .await;
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

/// How a run ends in the process that has lost its claim. In the test's own process each succeeds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Ending {
    Succeeds,
    Fails,
    /// Until the process gives it back at its shutdown.
    Never,
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.stale")]
struct Stale(Ending);

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.stale_last")]
struct StaleLast(Ending);

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.stale_written")]
struct StaleWritten;

async fn waits(ending: Ending, effects: &Effects) -> Result<(), &'static str> {
    let here = effects.is_marked(&std::process::id().to_string());
    effects.write(&format!("starts, here: {here}"));
    let gate = if here { "go on here" } else { "go on there" };
    while !effects.is_marked(gate) || (!here && ending == Ending::Never) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    effects.write(&format!("ends, here: {here}"));
    if here || ending == Ending::Succeeds {
        Ok(())
    } else {
        Err("too late")
    }
}

#[listener(Stale, queue, tries = 5)]
async fn is_tried_again(event: &Stale, effects: &State<Effects>) -> Result<(), &'static str> {
    waits(event.0, effects).await
}

#[listener(StaleLast, queue, tries = 1)]
async fn is_parked(event: &StaleLast, effects: &State<Effects>) -> Result<(), &'static str> {
    waits(event.0, effects).await
}

#[listener(StaleWritten, queue)]
async fn writes(_: &StaleWritten, tx: &Tx, effects: &State<Effects>) -> Result<(), sea_orm::DbErr> {
    tx.execute_unprepared("INSERT INTO written (number) VALUES (1)")
        .await?;
    waits(Ending::Succeeds, effects).await.unwrap();
    Ok(())
}

/// The process that was stopped goes on without having noticed, and says how each of its runs ended, while others
/// run the same jobs: nothing of what it says may count.
#[test]
fn what_it_says_while_others_run_its_jobs_changes_no_row() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let create = "CREATE TABLE written (number BIGINT NOT NULL)";
        store.writer().execute_unprepared(create).await.unwrap();
        let events = events(module_path!(), &store, &base);
        let effects = Effects::of(&base.folder);
        effects.mark(&std::process::id().to_string());
        let process = Process::start(&base, module_path!(), 20);
        let endings = [Ending::Succeeds, Ending::Fails, Ending::Never];
        dispatch_all(&store, &events, endings.into_iter().map(Stale)).await;
        dispatch_all(&store, &events, [Ending::Fails].into_iter().map(StaleLast)).await;
        let mut all = 4;
        // On SQLite nobody could take over: the transaction keeps all others from writing.
        if store.backend() == DbBackend::Postgres {
            dispatch_all(&store, &events, [StaleWritten].into_iter()).await;
            all += 1;
        }
        let lines = |line: &str| {
            let lines = Effects::of(&base.folder).lines();
            lines.iter().filter(|written| *written == line).count()
        };
        until("all run there", async || {
            lines("starts, here: false") == all
        })
        .await;
        stop_between_writes(&process, &store).await;
        let test = async {
            until("all run here", async || lines("starts, here: true") == all).await;
            let before = running(&store).await;
            assert_eq!(before.len(), all);
            effects.mark("go on there");
            process.signal("CONT");
            // All but the one that never ends. Else the end of the process might come first.
            until("the runs there have ended", async || {
                lines("ends, here: false") == all - 1
            })
            .await;
            // At its end it has written all that it had to say.
            assert!(process.end().await);
            assert_eq!(lines("ends, here: false"), all - 1);
            assert_eq!(running(&store).await, before);
            effects.mark("go on here");
            let done = [0, 0, number(all), 0];
            until("all is done", async || states(&store).await == done).await;
        };
        let stop = tokio::sync::watch::Sender::new(false);
        // A job whose process died runs alone in its process, as far as one store's workers know: each has its own.
        let mut working = Vec::new();
        for _ in 0..all {
            // Long enough for these not to take each other for dead on a busy machine.
            let worker =
                Worker::new(&events, &base.store().await).heartbeat_lapse(Duration::from_secs(6));
            let mut stop = stop.subscribe();
            working.push(tokio::spawn(worker.run_until(async move {
                let _ = stop.wait_for(|stop| *stop).await;
            })));
        }
        test.await;
        stop.send_replace(true);
        let mut accepted = 0;
        for worker in working {
            accepted += worker.await.unwrap().unwrap().ended;
        }
        assert_eq!(accepted, u64::try_from(all).unwrap());
        assert_eq!(lines("ends, here: true"), all);
        let written = i64::from(store.backend() == DbBackend::Postgres);
        let rows = "SELECT COUNT(*) FROM written";
        assert_eq!(crate::kit::number(&store, rows).await, written);
    });
}

/// What the store knows of the claims there are.
async fn running(store: &events_std::Store) -> Vec<(i64, i64, i64, i64, i32)> {
    let rows = store
        .writer()
        .query_all_raw(Statement::from_string(
            store.backend(),
            "SELECT id, fence, worker, changed_at, attempts FROM events_jobs WHERE state = 1 ORDER BY id",
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
                row.try_get_by_index(4).unwrap(),
            )
        })
        .collect()
}
