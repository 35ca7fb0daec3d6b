//! Listeners that block and do not come back, and the shutdown.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use events_core::{Attempt, Event, JobFailure, State, listener};
use events_std::{Worker, WorkerError};
use events_tests::Effects;

use crate::kill::dispatch_all;
use crate::kit::{Base, number, on_every_database, states, until};
use crate::process::events;

/// Where listeners hang, until the test lets them go.
struct Trap {
    closed: Mutex<bool>,
    opened: Condvar,
}

static TRAP: Trap = Trap::new();
static HOOK_TRAP: Trap = Trap::new();

impl Trap {
    const fn new() -> Self {
        Self {
            closed: Mutex::new(true),
            opened: Condvar::new(),
        }
    }

    fn enter(&self) {
        let closed = self.closed.lock().unwrap();
        drop(self.opened.wait_while(closed, |closed| *closed).unwrap());
    }

    fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.trapped")]
struct Trapped;

#[listener(Trapped, queue, tries = 1, timeout = "50ms")]
fn hangs(_: &Trapped, effects: &State<Effects>) {
    TRAP.enter();
    effects.write("went on");
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.free")]
struct Free;

/// It has all the time that it needs on a busy machine.
#[listener(Free, queue, tries = 1)]
fn goes_on(_: &Free, effects: &State<Effects>) {
    effects.write("went on");
}

#[test]
fn a_listener_that_hangs_is_left_and_the_others_go_on_until_all_places_are_taken() {
    on_every_database(async |base: Base| {
        TRAP.close();
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let effects = Effects::of(&base.folder);
        let worker = Worker::new(&events, &store).concurrency(2);
        let test = async {
            events.dispatch(&Trapped).await.unwrap();
            until("it has timed out", async || states(&store).await[3] == 1).await;
            dispatch_all(&store, &events, (0..5).map(|_| Free)).await;
            until("the others are done", async || states(&store).await[2] == 5).await;
            events.dispatch(&Trapped).await.unwrap();
        };
        let (ended, ()) = tokio::join!(worker.run_until(std::future::pending()), test);
        assert!(
            matches!(ended, Err(WorkerError::AllAbandoned(2))),
            "{ended:?}"
        );
        assert_eq!(states(&store).await, [0, 0, 5, 2]);
        let timed_out = "SELECT COUNT(*) FROM events_jobs WHERE reason = 'timed_out'";
        assert_eq!(number(&store, timed_out).await, 2);
        assert_eq!(effects.lines().len(), 5);
        TRAP.open();
        until("they were let go", async || effects.lines().len() == 7).await;
        assert_eq!(states(&store).await, [0, 0, 5, 2]);
    });
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.given_up")]
struct GivenUp;

#[listener(GivenUp, queue, tries = 1, timeout = "50ms", failed = hook_hangs)]
async fn fails(_: &GivenUp) -> Result<(), &'static str> {
    Err("no")
}

fn hook_hangs(_: &GivenUp, _: &JobFailure, effects: &State<Effects>) {
    HOOK_TRAP.enter();
    effects.write("went on");
}

/// A hook that blocks holds no thread of the runtime.
#[test]
fn a_hook_that_hangs_is_left_and_the_job_is_parked() {
    on_every_database(async |base: Base| {
        HOOK_TRAP.close();
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let effects = Effects::of(&base.folder);
        let test = async {
            events.dispatch(&GivenUp).await.unwrap();
            until("it is parked", async || states(&store).await[3] == 1).await;
        };
        let left = Worker::new(&events, &store).run_until(test).await.unwrap();
        assert_eq!(left.abandoned, 1);
        let told = "SELECT COUNT(*) FROM events_jobs WHERE reason = 'exhausted' \
                    AND error = 'no; the `failed` hook took longer than 50ms too'";
        assert_eq!(number(&store, told).await, 1);
        assert!(effects.lines().is_empty());
        HOOK_TRAP.open();
        until("it was let go", async || effects.lines().len() == 1).await;
    });
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.endless")]
struct Endless(u8);

#[listener(Endless, queue, tries = 2)]
async fn ends_by_mark(event: &Endless, attempt: Attempt, effects: &State<Effects>) {
    effects.write(&format!("{} starts at {}", event.0, attempt.number));
    while !effects.is_marked(&format!("end {}", event.0)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_shutdown_lets_jobs_end_and_gives_the_rest_back_with_their_attempts() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let effects = Effects::of(&base.folder);
        dispatch_all(&store, &events, (0..4).map(Endless)).await;
        let stop = async {
            until("three run", async || effects.lines().len() == 3).await;
            // Ends within the grace time.
            effects.mark("end 0");
        };
        let left = Worker::new(&events, &store)
            .concurrency(3)
            .grace(Duration::from_secs(3))
            .run_until(stop)
            .await
            .unwrap();
        assert_eq!((left.ended, left.released, left.abandoned), (1, 2, 0));
        // Nothing was claimed after the shutdown had begun, and nobody is out of an attempt.
        assert_eq!(states(&store).await, [3, 0, 1, 0]);
        let spent = "SELECT COUNT(*) FROM events_jobs WHERE state = 0 AND attempts > 0";
        assert_eq!(number(&store, spent).await, 0);
        assert_eq!(effects.lines().len(), 3);
        (1..4).for_each(|number| effects.mark(&format!("end {number}")));
        Worker::new(&events, &store).drain().await.unwrap();
        assert_eq!(states(&store).await, [0, 0, 4, 0]);
    });
}
