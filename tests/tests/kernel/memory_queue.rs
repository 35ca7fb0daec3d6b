//! The queue in memory: it really runs queued listeners, by the injected clock.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use chrono::TimeDelta;
use events_core::{
    Attempt, Clock, Delivery, Event, Events, Incident, JobFailure, ManualClock, MemoryQueue,
    ParkReason, PushError, Refusal, State, listener,
};
use pollster::block_on;

use crate::{Log, builder, log, once_pending};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "queue.work")]
struct Work {
    fail: u32,
}

#[listener(Work, queue = "w", tries = 3, backoff = ["10s", "1m"], failed = gave_up)]
async fn works(
    event: &Work,
    attempt: Attempt,
    delivery: Delivery,
    log: &State<Log>,
) -> Result<(), String> {
    once_pending().await;
    assert_eq!(delivery.correlation_id, delivery.id);
    log.write(format!(
        "attempt {} of {}",
        attempt.number,
        attempt.max.unwrap()
    ));
    if attempt.number <= event.fail {
        assert_eq!(attempt.likely_final, attempt.number == 3);
        return Err(format!("failure {}", attempt.number));
    }
    Ok(())
}

async fn gave_up(event: &Work, failure: &JobFailure, log: &State<Log>) -> Result<(), String> {
    log.write(format!("gave up on {}: {failure}", event.fail));
    Err("the hook failed too".to_owned())
}

#[listener(Work)]
fn inline(_: &Work, log: &State<Log>) {
    log.write("inline");
}

struct Bench {
    events: Events,
    queue: MemoryQueue,
    clock: Arc<ManualClock>,
    incidents: Arc<Mutex<Vec<String>>>,
}

fn bench() -> Bench {
    let (queue, clock) = (MemoryQueue::new(), Arc::new(ManualClock::default()));
    let incidents = Arc::new(Mutex::new(Vec::new()));
    let hook = incidents.clone();
    let events = builder(module_path!())
        .queue(queue.clone())
        .clock(clock.clone())
        .error_hook(move |incident| {
            if let Incident::Failed(failure) = incident {
                hook.lock().unwrap().push(failure.to_string());
            }
        })
        .build()
        .unwrap();
    Bench {
        events,
        queue,
        clock,
        incidents,
    }
}

#[test]
fn a_queued_listener_runs_from_the_queue_not_in_the_dispatch() {
    let Bench { events, queue, .. } = bench();
    let dispatched = block_on(events.dispatch(&Work { fail: 0 })).unwrap();
    assert_eq!(dispatched.jobs(), 1);
    assert_eq!(log(&events), ["inline"]);
    let drained = block_on(queue.drain(&events));
    assert_eq!((drained.done, drained.waiting), (1, 0));
    assert_eq!(log(&events), ["attempt 1 of 3"]);
}

#[test]
fn dispatch_sync_pushes_too() {
    let Bench { events, queue, .. } = bench();
    assert_eq!(events.dispatch_sync(&Work { fail: 0 }).unwrap().jobs(), 1);
    assert_eq!(queue.waiting(), 1);
}

#[test]
fn a_failed_attempt_waits_its_backoff_and_the_last_value_repeats() {
    let Bench {
        events,
        queue,
        clock,
        ..
    } = bench();
    block_on(events.dispatch(&Work { fail: 2 })).unwrap();
    assert_eq!(block_on(queue.drain(&events)).retried, 1);
    assert_eq!(
        queue.next_due().unwrap() - clock.now(),
        TimeDelta::seconds(10)
    );
    clock.advance(TimeDelta::seconds(9));
    assert_eq!(block_on(queue.drain(&events)).waiting, 1);
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(block_on(queue.drain(&events)).retried, 1);
    assert_eq!(
        queue.next_due().unwrap() - clock.now(),
        TimeDelta::seconds(60)
    );
    clock.advance(TimeDelta::seconds(60));
    assert_eq!(block_on(queue.drain(&events)).done, 1);
    assert_eq!(
        log(&events),
        [
            "inline",
            "attempt 1 of 3",
            "attempt 2 of 3",
            "attempt 3 of 3"
        ]
    );
}

#[test]
fn a_job_that_fails_for_good_is_kept_with_its_reason_and_can_be_retried() {
    let Bench {
        events,
        queue,
        clock,
        incidents,
    } = bench();
    block_on(events.dispatch(&Work { fail: 3 })).unwrap();
    for _ in 0..3 {
        block_on(queue.drain(&events));
        clock.advance(TimeDelta::minutes(1));
    }
    let parked = queue.parked();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].failure.reason(), ParkReason::Exhausted);
    assert_eq!(parked[0].failure.message(), "failure 3");
    assert_eq!(log(&events)[4], "gave up on 3: exhausted: failure 3");
    assert!(incidents.lock().unwrap()[0].contains("the hook failed too"));

    assert!(queue.retry(parked[0].job.id));
    assert!(!queue.retry(parked[0].job.id));
    assert_eq!(block_on(queue.drain(&events)).retried, 1);
    assert_eq!(log(&events), ["attempt 1 of 3"]);
}

#[test]
fn a_full_queue_refuses_and_nothing_runs() {
    let queue = MemoryQueue::with_capacity(1);
    let events = builder(module_path!())
        .queue(queue.clone())
        .build()
        .unwrap();
    block_on(events.dispatch(&Work { fail: 0 })).unwrap();
    log(&events);
    let error = block_on(events.dispatch(&Work { fail: 0 })).unwrap_err();
    assert!(matches!(
        error.refusal(),
        Some(Refusal::Push(PushError::Full {
            held: 1,
            capacity: 1
        }))
    ));
    assert!(log(&events).is_empty());
    assert_eq!(queue.waiting(), 1);
    block_on(queue.drain(&events));
    block_on(events.dispatch(&Work { fail: 0 })).unwrap();
}

#[test]
fn a_drain_that_is_dropped_gives_the_job_back() {
    let Bench { events, queue, .. } = bench();
    block_on(events.dispatch(&Work { fail: 0 })).unwrap();
    {
        let mut drain = pin!(queue.drain(&events));
        let mut task = Context::from_waker(Waker::noop());
        assert!(drain.as_mut().poll(&mut task).is_pending());
        assert_eq!(queue.waiting(), 0);
    }
    assert_eq!(queue.waiting(), 1);
    assert_eq!(block_on(queue.drain(&events)).done, 1);
    assert_eq!(log(&events).last().unwrap(), "attempt 2 of 3");
}

#[test]
fn run_sleeps_until_the_next_is_due_and_wakes_at_a_push() {
    let Bench {
        events,
        queue,
        clock,
        ..
    } = bench();
    block_on(events.dispatch(&Work { fail: 1 })).unwrap();
    let slept = Arc::new(Mutex::new(Vec::new()));
    let (sleeps, ticking) = (slept.clone(), clock.clone());
    let sleep = move |wait: Duration| {
        sleeps.lock().unwrap().push(wait);
        ticking.advance(TimeDelta::from_std(wait).unwrap());
        std::future::ready(())
    };
    let mut run = pin!(queue.run(events.clone(), sleep));
    let mut task = Context::from_waker(Waker::noop());
    for _ in 0..10 {
        assert!(run.as_mut().poll(&mut task).is_pending());
    }
    assert_eq!(*slept.lock().unwrap(), [Duration::from_secs(10)]);
    assert_eq!(queue.waiting(), 0);
    assert_eq!(log(&events), ["inline", "attempt 1 of 3", "attempt 2 of 3"]);

    block_on(events.dispatch(&Work { fail: 0 })).unwrap();
    for _ in 0..3 {
        assert!(run.as_mut().poll(&mut task).is_pending());
    }
    assert_eq!(log(&events), ["inline", "attempt 1 of 3"]);
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "queue.later")]
struct Later;

#[listener(Later, queue, delay = "5m")]
fn delayed(_: &Later, log: &State<Log>) {
    log.write("delayed");
}

#[listener(Later, queue, retry_for = "25s", backoff = "10s")]
fn limited(_: &Later, attempt: Attempt, log: &State<Log>) -> Result<(), String> {
    assert_eq!(attempt.max, None);
    log.write(format!(
        "limited {} {}",
        attempt.number, attempt.likely_final
    ));
    Err("no".to_owned())
}

#[test]
fn delay_and_retry_for_follow_the_clock() {
    let Bench {
        events,
        queue,
        clock,
        ..
    } = bench();
    block_on(events.dispatch(&Later)).unwrap();
    for _ in 0..4 {
        block_on(queue.drain(&events));
        clock.advance(TimeDelta::seconds(10));
    }
    assert_eq!(
        log(&events),
        ["limited 1 false", "limited 2 false", "limited 3 true"]
    );
    assert_eq!(queue.parked()[0].failure.reason(), ParkReason::Expired);
    clock.advance(TimeDelta::minutes(5));
    assert_eq!(block_on(queue.drain(&events)).done, 1);
    assert_eq!(log(&events), ["delayed"]);
}
