//! Processes that are killed at random points.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use events_core::{Event, Events, State, listener};
use events_std::{Store, StoreError, Tx, Worker};
use events_tests::{Dice, Effects, Size};

use crate::kit::{Base, on_every_database, states, until};
use crate::process::{Process, events};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.counted")]
struct Counted(usize);

#[listener(Counted, queue)]
async fn counts(event: &Counted, effects: &State<Effects>) {
    for _ in 0..event.0 % 7 {
        tokio::task::yield_now().await;
    }
    effects.write(&event.0.to_string());
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.long")]
struct Long {
    round: usize,
}

#[listener(Long, queue)]
async fn waits_for_the_mark(event: &Long, effects: &State<Effects>) {
    effects.write(&started(event.round));
    while !effects.is_marked(&go(event.round)) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn started(round: usize) -> String {
    format!("started in round {round}")
}

fn go(round: usize) -> String {
    format!("go on in round {round}")
}

/// How many jobs of a round have started.
fn starts(effects: &Effects, round: usize) -> usize {
    let lines = effects.lines();
    lines.iter().filter(|line| **line == started(round)).count()
}

pub(crate) async fn dispatch_all<E: Event + Clone>(
    store: &Store,
    events: &Events,
    all: impl Iterator<Item = E>,
) {
    let store = store.with_events(events);
    let dispatched = store
        .transaction(async |tx: &Tx| {
            for event in all {
                tx.dispatch(&event).await.unwrap();
            }
            Ok::<_, StoreError>(())
        })
        .await;
    dispatched.unwrap();
}

pub(crate) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

#[test]
fn nothing_is_lost_or_stuck_and_little_runs_twice() {
    let (jobs, kills) = match Size::of_run() {
        Size::Small => (500, 5),
        Size::Ci => (10_000, 20),
        Size::Long => (10_000, 200),
    };
    on_every_database(async |base: Base| {
        let mut dice = Dice::new();
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        dispatch_all(&store, &events, (0..jobs).map(Counted)).await;
        let start = || Process::start(&base, module_path!(), 8);
        let mut processes: Vec<_> = (0..4).map(|_| start()).collect();
        let mut points: Vec<_> = (0..kills).map(|_| dice.below(jobs)).collect();
        points.sort_unstable();
        let mut running = 0;
        for point in points {
            until("the next point is reached", async || {
                states(&store).await[2] >= number(point)
            })
            .await;
            let victim = processes.swap_remove(dice.below(4));
            running += victim.kill_counting(&store).await;
            processes.push(start());
        }
        until("all is done", async || {
            states(&store).await == [0, 0, number(jobs), 0]
        })
        .await;
        let mut runs = HashMap::new();
        let lines = Effects::of(&base.folder).lines();
        for line in &lines {
            *runs.entry(line.clone()).or_insert(0_usize) += 1;
        }
        assert_eq!(runs.len(), jobs, "every job has run");
        let twice = lines.len() - jobs;
        eprintln!("{kills} kills, {running} jobs were running, {twice} ran twice");
        assert!(twice <= running, "{twice} > {running}");
    });
}

/// On a busy machine a death may be late: the fastest of three counts.
#[test]
fn the_jobs_of_a_dead_worker_are_claimed_within_a_second() {
    const SECOND: Duration = Duration::from_secs(1);
    on_every_database(async |base: Base| {
        let mut fastest = Duration::MAX;
        for round in 0..3 {
            fastest = fastest.min(a_death(&base, round).await);
            if fastest < SECOND {
                break;
            }
        }
        assert!(fastest < SECOND, "{fastest:?}");
    });
}

/// How long the jobs of a worker that dies have to wait for another one.
async fn a_death(base: &Base, round: usize) -> Duration {
    let store = base.store().await;
    let events = events(module_path!(), &store, base);
    let effects = Effects::of(&base.folder);
    // It has no place for more, and no heartbeat tells of its death in time.
    let process = Process::start(base, module_path!(), 3);
    dispatch_all(&store, &events, (0..3).map(|_| Long { round })).await;
    until("all run", async || states(&store).await[1] == 3).await;
    until("all run", async || starts(&effects, round) == 3).await;
    let done = states(&store).await[2];
    let mut took = Duration::MAX;
    let stop = async {
        // Whoever has written the end of a job has looked around before, so that only the death is measured.
        dispatch_all(&store, &events, std::iter::once(Counted(0))).await;
        until("the other works", async || {
            states(&store).await[2] == done + 1
        })
        .await;
        process.kill();
        let died = Instant::now();
        until("one runs again", async || starts(&effects, round) > 3).await;
        took = died.elapsed();
        effects.mark(&go(round));
        until("all is done", async || states(&store).await[2] == done + 4).await;
    };
    let left = Worker::new(&events, &store).run_until(stop).await.unwrap();
    assert_eq!(left.ended, 4);
    took
}

pub(crate) async fn workers(store: &Store) -> i64 {
    crate::kit::number(store, "SELECT COUNT(*) FROM events_workers").await
}

/// A worker that is dropped is no process that died: its jobs cost nobody an attempt, and need not run alone.
#[test]
fn a_worker_that_is_dropped_leaves_its_jobs_to_the_next() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let effects = Effects::of(&base.folder);
        dispatch_all(&store, &events, (0..3).map(|_| Long { round: 0 })).await;
        {
            let worker = Worker::new(&events, &store);
            let all_run = until("all run", async || effects.lines().len() == 3);
            tokio::select! {
                _ = worker.run_until(std::future::pending()) => {}
                () = all_run => {}
            }
        }
        effects.mark(&go(0));
        Worker::new(&events, &store).drain().await.unwrap();
        assert_eq!(states(&store).await, [0, 0, 3, 0]);
        let alone = "SELECT COUNT(*) FROM events_jobs WHERE alone OR attempts <> 1";
        assert_eq!(crate::kit::number(&store, alone).await, 0);
        assert_eq!(workers(&store).await, 0);
    });
}
