//! Attempts that do not come to their end, and workers that must hear of what waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use chrono::TimeDelta;
use events_core::{
    Event, Events, JobFailure, ManualClock, MemoryQueue, ParkReason, State, listener,
};
use pollster::block_on;

use crate::{Log, builder, log, poll_once};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "lost.work")]
struct Work {
    ends: bool,
}

#[listener(Work, queue, tries = 1, failed = gave_up)]
async fn works(event: &Work, log: &State<Log>) {
    log.write("starts");
    if !event.ends {
        std::future::pending::<()>().await;
    }
}

fn gave_up(_: &Work, failure: &JobFailure, log: &State<Log>) {
    log.write(failure.reason().to_string());
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "lost.brief")]
struct Brief;

#[listener(Brief, queue, retry_for = "1m", failed = too_late)]
fn brief(_: &Brief, log: &State<Log>) {
    log.write("starts");
}

fn too_late(_: &Brief, failure: &JobFailure, log: &State<Log>) {
    log.write(failure.reason().to_string());
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "lost.later")]
struct Later;

#[listener(Later, queue, delay = "1h")]
fn later(_: &Later) {}

fn bench() -> (Events, MemoryQueue, Arc<ManualClock>) {
    let (queue, clock) = (MemoryQueue::new(), Arc::new(ManualClock::default()));
    let events = builder(module_path!())
        .queue(queue.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    (events, queue, clock)
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_attempt_that_is_dropped_counts_and_the_last_is_the_last() {
    let (events, queue, _) = bench();
    events.dispatch_sync(&Work { ends: false }).unwrap();
    let mut drain = Box::pin(queue.drain(&events));
    assert!(poll_once(drain.as_mut()).is_pending());
    drop(drain);
    assert_eq!(block_on(queue.drain(&events)).parked, 1);
    assert_eq!(queue.parked()[0].failure.reason(), ParkReason::Exhausted);
    assert_eq!(log(&events), ["starts", "exhausted"]);
}

#[test]
fn no_attempt_starts_when_its_time_is_over() {
    let (events, queue, clock) = bench();
    events.dispatch_sync(&Brief).unwrap();
    clock.advance(TimeDelta::minutes(2));
    assert_eq!(block_on(queue.drain(&events)).parked, 1);
    assert_eq!(queue.parked()[0].failure.reason(), ParkReason::Expired);
    assert_eq!(log(&events), ["expired"]);
}

#[test]
fn a_push_between_the_drain_and_the_wait_is_heard() {
    let (events, queue, _) = bench();
    events.dispatch_sync(&Later).unwrap();
    let (pushes, times) = (events.clone(), AtomicUsize::new(0));
    let sleep = move |_| {
        if times.fetch_add(1, Ordering::Relaxed) == 0 {
            pushes.dispatch_sync(&Work { ends: true }).unwrap();
        }
        std::future::pending::<()>()
    };
    let mut run = Box::pin(queue.run(events.clone(), sleep));
    assert!(poll_once(run.as_mut()).is_pending());
    assert_eq!(
        (log(&events), queue.waiting()),
        (vec!["starts".to_owned()], 1)
    );
}

#[test]
fn a_job_that_is_put_back_wakes_a_worker_that_waits() {
    let (events, queue, _) = bench();
    events.dispatch_sync(&Work { ends: false }).unwrap();
    let mut drain = Box::pin(queue.drain(&events));
    assert!(poll_once(drain.as_mut()).is_pending());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut run = Box::pin(queue.run(events.clone(), |_| std::future::pending::<()>()));
    assert!(
        run.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    drop(drain);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
}
