//! Announcements: the inline listeners of an `#[event(announced)]` run in a job of the transaction.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{TimeDelta, Utc};
use events_core::{
    Attempt, Delivery, Event, Events, Job, ManualClock, ParkReason, Permanent, State, Verdict,
    listener,
};
use events_std::{Store, StoreError, Tx, Worker};
use uuid::Uuid;

use crate::kit::{on_every_database, until};

#[derive(Default)]
struct Log(Mutex<Vec<(String, u32, Uuid)>>);

impl Log {
    fn write(&self, who: &str, attempt: Attempt, delivery: Delivery) {
        let line = (who.to_owned(), attempt.number, delivery.id);
        self.0.lock().unwrap().push(line);
    }
}

#[derive(Default)]
struct Failing(AtomicU32);

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.closed", announced)]
struct Closed {
    run: u32,
}

#[listener(Closed)]
fn first(_: &Closed, attempt: Attempt, delivery: Delivery, log: &State<Log>) {
    log.write("first", attempt, delivery);
}

#[listener(Closed, when = is_seven)]
async fn second(
    _: &Closed,
    attempt: Attempt,
    delivery: Delivery,
    log: &State<Log>,
    failing: &State<Failing>,
) -> Result<(), String> {
    log.write("second", attempt, delivery);
    if failing.0.fetch_sub(1, Ordering::Relaxed) > 1 {
        return Err("not yet".into());
    }
    Ok(())
}

fn is_seven(event: &Closed) -> bool {
    event.run == 7
}

#[listener(Closed, queue = "default")]
async fn queued(_: &Closed, attempt: Attempt, delivery: Delivery, log: &State<Log>) {
    log.write("queued", attempt, delivery);
}

fn events(store: &Store, failures: u32) -> Events {
    Events::builder()
        .only_linked_in(module_path!())
        .state(Log::default())
        .state(Failing(AtomicU32::new(failures + 1)))
        .queue(store.queue())
        .build()
        .expect("all is wired")
}

fn lines(events: &Events) -> Vec<(String, u32, Uuid)> {
    std::mem::take(&mut events.state::<Log>().unwrap().0.lock().unwrap())
}

async fn close(store: &Store, events: &Events, run: u32) {
    store
        .with_events(events)
        .transaction(async |tx: &Tx| {
            let dispatched = tx.dispatch(&Closed { run }).await.expect("nothing ran");
            assert_eq!(
                dispatched.jobs(),
                2,
                "one for the queued listener, one for all others"
            );
            Ok::<_, StoreError>(())
        })
        .await
        .expect("a commit");
}

#[test]
fn inline_listeners_run_in_one_job_of_the_transaction_under_one_delivery() {
    on_every_database(|base| async move {
        let store = base.store().await;
        let events = events(&store, 0);
        close(&store, &events, 7).await;
        assert_eq!(lines(&events), [], "nothing runs at the commit");
        Worker::new(&events, &store).drain().await.expect("drained");
        let mut lines = lines(&events);
        lines.sort();
        let names: Vec<&str> = lines.iter().map(|line| &*line.0).collect();
        assert_eq!(names, ["first", "queued", "second"]);
        assert!(lines.iter().all(|line| line.2 == lines[0].2), "{lines:?}");
        store.close().await.expect("closed");
    });
}

#[test]
fn a_listener_that_fails_has_the_whole_announcement_tried_again_under_the_same_delivery() {
    on_every_database(|base| async move {
        let store = base.store().await;
        let clock = Arc::new(ManualClock::new(Utc::now()));
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(Log::default())
            .state(Failing(AtomicU32::new(2)))
            .clock(clock.clone())
            .queue(store.queue())
            .build()
            .expect("all is wired");
        close(&store, &events, 7).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = Worker::new(&events, &store).poll_every(std::time::Duration::from_millis(5));
        let working = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        let mut seen = Vec::new();
        until("the second attempt", async || {
            seen.extend(lines(&events));
            let again = seen
                .iter()
                .any(|line: &(String, u32, Uuid)| line.1 == 2 && line.0 == "second");
            if !again && seen.iter().any(|line| line.0 == "second") {
                // The first wait of a listener that says nothing is 10 s.
                clock.advance(TimeDelta::seconds(1));
            }
            again
        })
        .await;
        drop(stop);
        working.await.expect("no panic").expect("worked");
        let first: Vec<u32> = seen
            .iter()
            .filter(|line| line.0 == "first")
            .map(|line| line.1)
            .collect();
        assert_eq!(first, [1, 2], "all of it, not only the one that failed");
        assert!(seen.iter().all(|line| line.2 == seen[0].2), "{seen:?}");
        store.close().await.expect("closed");
    });
}

/// For the kernel alone, which the worker obeys.
fn announcement(event: &str, payload: &str, attempts: u32) -> Job {
    Job {
        id: Uuid::now_v7(),
        queue: "default".into(),
        event: event.into(),
        version: 1,
        payload: payload.into(),
        listener: Job::ANNOUNCEMENT.into(),
        delivery: Delivery {
            id: Uuid::now_v7(),
            at: Utc::now(),
            correlation_id: Uuid::now_v7(),
            causation_id: None,
        },
        run_at: Utc::now(),
        expires_at: None,
        unique_key: None,
        unique_until: None,
        order_key: None,
        formerly: &[],
        trace: None,
        attempts,
    }
}

#[test]
fn a_listener_that_always_fails_has_the_announcement_parked_after_the_default_tries() {
    on_every_database(|base| async move {
        let store = base.store().await;
        let events = events(&store, u32::MAX - 1);
        let announcement = |attempts| announcement("worker.closed", r#"{"run":7}"#, attempts);
        let retried = events.process(&announcement(2)).await;
        assert!(matches!(retried, Verdict::Retry { .. }), "{retried:?}");
        let parked = events.process(&announcement(3)).await;
        assert!(matches!(parked, Verdict::Park(_)), "{parked:?}");
        store.close().await.expect("closed");
    });
}

#[test]
fn a_rollback_takes_the_announcement_with_it() {
    on_every_database(|base| async move {
        let store = base.store().await;
        let events = events(&store, 0);
        let ended: Result<(), StoreError> = store
            .with_events(&events)
            .transaction(async |tx: &Tx| {
                tx.dispatch(&Closed { run: 7 }).await.expect("nothing ran");
                Err(StoreError::Interrupted)
            })
            .await;
        assert!(ended.is_err());
        Worker::new(&events, &store).drain().await.expect("drained");
        assert_eq!(lines(&events), []);
        store.close().await.expect("closed");
    });
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.voided", announced)]
struct Voided;

#[listener(Voided)]
fn hopeless(_: &Voided) -> Result<(), Permanent> {
    Err(Permanent::new("nobody can"))
}

#[listener(Voided)]
fn hopes(_: &Voided, attempt: Attempt) -> Result<(), String> {
    if attempt.number == 1 {
        return Err("not yet".into());
    }
    Ok(())
}

/// One that no further attempt would help does not cost the others theirs; it is parked where it is left alone.
#[test]
fn an_announcement_is_tried_again_while_one_of_its_listeners_may_succeed() {
    on_every_database(|base| async move {
        let store = base.store().await;
        let events = events(&store, 0);
        let retried = events
            .process(&announcement("worker.voided", "null", 1))
            .await;
        assert!(matches!(retried, Verdict::Retry { .. }), "{retried:?}");
        let parked = events
            .process(&announcement("worker.voided", "null", 2))
            .await;
        let Verdict::Park(failure) = parked else {
            panic!("{parked:?}");
        };
        assert_eq!(failure.reason(), ParkReason::Permanent);
        store.close().await.expect("closed");
    });
}
