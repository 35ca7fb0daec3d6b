//! Pushes to workers of the same process, which get them without a claim while they are idle.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use events_core::{Attempt, Event, Events, ManualClock, State, listener};
use events_std::{Store, Worker};
use tokio::sync::{Mutex, Semaphore};

use crate::kit::{Base, number, on_every_database, states, until};

/// What was heard, and the attempts.
#[derive(Default)]
struct Log(Mutex<Vec<(u32, u32)>>);

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.handed")]
struct Handed(u32);

#[listener(Handed, queue = "handed")]
async fn hears(event: &Handed, attempt: Attempt, log: &State<Log>) {
    log.0.lock().await.push((event.0, attempt.number));
}

fn events(store: &Store) -> Events {
    let builder = Events::builder().only_linked_in(module_path!());
    let builder = builder
        .state(Log::default())
        .state([Semaphore::new(0), Semaphore::new(0)]);
    builder.queue(store.queue()).build().unwrap()
}

/// What was heard, in the order of its numbers.
async fn heard(events: &Events) -> Vec<(u32, u32)> {
    let mut heard = events.state::<Log>().unwrap().0.lock().await.clone();
    heard.sort_unstable();
    heard
}

#[test]
fn an_idle_worker_hears_at_once_what_it_would_look_for_an_hour_later() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = Worker::new(&events, &store).poll_every(Duration::from_hours(1));
        let working = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        for number in 0..50 {
            events.dispatch(&Handed(number)).await.unwrap();
            let so_far = usize::try_from(number).unwrap() + 1;
            until("the job has run", async || {
                heard(&events).await.len() == so_far
            })
            .await;
        }
        stop.send(()).unwrap();
        assert_eq!(working.await.unwrap().unwrap().ended, 50);
        let once: Vec<_> = (0..50).map(|number| (number, 1)).collect();
        assert_eq!(heard(&events).await, once);
        assert_eq!(states(&store).await, [0, 0, 50, 0]);
        let spent =
            "SELECT COUNT(*) FROM events_jobs WHERE attempts = 1 AND fence = 1 AND worker IS NULL";
        assert_eq!(number(&store, spent).await, 50);
    });
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.looked_at")]
struct LookedAt;

/// Says that it runs, and waits until somebody has looked.
#[listener(LookedAt, queue = "handed")]
async fn is_looked_at(_: &LookedAt, gate: &State<[Semaphore; 2]>) {
    gate[0].add_permits(1);
    gate[1].acquire().await.unwrap().forget();
}

#[test]
fn an_idle_worker_is_handed_a_push_without_a_claim() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let gate = || [Semaphore::new(0), Semaphore::new(0)];
        let builder = || {
            Events::builder()
                .only_linked_in(module_path!())
                .state(Log::default())
        };
        let working = builder()
            .state(gate())
            .queue(store.queue())
            .build()
            .unwrap();
        // A claim notes the worker's time in the row, a push its own.
        let clock = std::sync::Arc::new(ManualClock::new(chrono::DateTime::UNIX_EPOCH));
        let pushing = builder()
            .state(gate())
            .clock(clock)
            .queue(store.queue())
            .build()
            .unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = Worker::new(&working, &store);
        let running = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        let gate = working.state::<[Semaphore; 2]>().unwrap();
        until("a push is handed over", async || {
            pushing.dispatch(&LookedAt).await.unwrap();
            gate[0].acquire().await.unwrap().forget();
            let handed = "SELECT COUNT(*) FROM events_jobs WHERE state = 1 AND changed_at = 0";
            let handed = number(&store, handed).await;
            gate[1].add_permits(1);
            handed == 1
        })
        .await;
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
    });
}

/// So many tasks push at once.
const PUSHERS: u32 = 4;
/// So many jobs each.
const EACH: u32 = 60;

#[test]
fn jobs_that_are_pushed_while_workers_come_and_go_run_once_each() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        let pushed = std::sync::Arc::new(AtomicU32::new(0));
        let pushing: Vec<_> = (0..PUSHERS)
            .map(|pusher| {
                let (events, pushed) = (events.clone(), pushed.clone());
                tokio::spawn(async move {
                    for number in 0..EACH {
                        events
                            .dispatch(&Handed(pusher * EACH + number))
                            .await
                            .unwrap();
                        pushed.fetch_add(1, Ordering::Relaxed);
                        // Now and then a worker has nothing to do.
                        tokio::time::sleep(Duration::from_millis(u64::from(number % 4))).await;
                    }
                })
            })
            .collect();
        let mut workers = 0;
        while pushed.load(Ordering::Relaxed) < PUSHERS * EACH {
            let lasting = Duration::from_millis(10 + workers % 20);
            let worker = Worker::new(&events, &store).grace(Duration::from_secs(30));
            let left = worker.run_until(tokio::time::sleep(lasting)).await.unwrap();
            assert_eq!((left.released, left.held), (0, 0));
            workers += 1;
        }
        for pusher in pushing {
            pusher.await.unwrap();
        }
        assert!(workers > 1, "none ended while others pushed");
        Worker::new(&events, &store).drain().await.unwrap();
        let once: Vec<_> = (0..PUSHERS * EACH).map(|number| (number, 1)).collect();
        assert_eq!(heard(&events).await, once);
        let all = i64::from(PUSHERS * EACH);
        assert_eq!(states(&store).await, [0, 0, all, 0]);
    });
}

#[test]
fn a_caller_who_stops_waiting_leaves_neither_the_job_nor_the_worker_behind() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = Worker::new(&events, &store);
        let working = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        for number in 0..40 {
            let some = Duration::from_micros(u64::from(number) * 50);
            let event = Handed(number);
            let _ = tokio::time::timeout(some, events.dispatch(&event)).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        events.dispatch(&Handed(40)).await.unwrap();
        until("the last has run", async || {
            heard(&events).await.contains(&(40, 1))
        })
        .await;
        stop.send(()).unwrap();
        working.await.unwrap().unwrap();
        Worker::new(&events, &store).drain().await.unwrap();
        let heard = heard(&events).await;
        let stored = number(&store, "SELECT COUNT(*) FROM events_jobs").await;
        assert_eq!(i64::try_from(heard.len()).unwrap(), stored);
        assert!(heard.iter().all(|(_, attempt)| *attempt == 1), "{heard:?}");
        assert_eq!(states(&store).await, [0, 0, stored, 0]);
    });
}
