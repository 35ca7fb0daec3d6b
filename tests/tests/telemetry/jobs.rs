//! The spans of jobs, and the traces that jobs carry.

use std::sync::{Arc, Mutex};

use events_core::{
    BoxFuture, Capability, Event, Events, EventsBuilder, Job, MemoryQueue, PushError, Queue,
    TraceContext, Verdict, listener,
};
use events_std::{Tx, Worker};
use tracing::Span;

use crate::capture::{self, Seen, children, of_event};
use crate::kit::on_every_database;

/// Writes the number of the entered span into the trace, and keeps what was adopted.
#[derive(Clone, Default)]
pub(crate) struct Numbered {
    pub(crate) adopted: Arc<Mutex<Vec<String>>>,
}

impl TraceContext for Numbered {
    fn current(&self) -> Option<String> {
        let span = Span::current().id()?.into_u64();
        Some(format!("00-{:032x}-{span:016x}-01", 7))
    }

    fn adopt(&self, span: &Span, traceparent: &str) {
        assert!(!span.is_disabled());
        self.adopted.lock().unwrap().push(traceparent.to_owned());
    }
}

fn builder() -> EventsBuilder {
    capture::all();
    Events::builder().only_linked_in(module_path!())
}

fn outcomes(jobs: &[Seen]) -> Vec<&str> {
    jobs.iter().map(|job| job.fields.get("outcome")).collect()
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "jobs.memory")]
struct Remembered;

#[listener(Remembered, queue = "mail", tries = 2, backoff = "1ms", handle = FAILS)]
async fn fails_always(_: &Remembered) -> Result<(), std::io::Error> {
    Err(std::io::Error::other("no luck"))
}

#[test]
fn each_attempt_has_a_span_that_adopts_the_trace_of_its_dispatch() {
    let (queue, trace) = (MemoryQueue::new(), Numbered::default());
    let clock = Arc::new(events_core::ManualClock::new(chrono::Utc::now()));
    let events = builder()
        .without_linked()
        .register(FAILS)
        .queue(queue.clone())
        .trace_context(trace.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    pollster::block_on(async {
        events.dispatch(&Remembered).await.unwrap();
        assert_eq!(queue.drain(&events).await.retried, 1);
        clock.advance(chrono::TimeDelta::seconds(1));
        assert_eq!(queue.drain(&events).await.parked, 1);
    });
    let dispatch = &of_event("dispatch", "jobs.memory")[0];
    assert_eq!(dispatch.fields.get("jobs"), "1");
    assert_eq!(dispatch.fields.get("otel.kind"), "producer");
    let job = queue.parked().remove(0).job;
    let traceparent = job.trace.expect("the job carries a trace");
    assert_eq!(
        *trace.adopted.lock().unwrap(),
        [&*traceparent, &*traceparent]
    );
    let jobs = of_event("job", "jobs.memory");
    assert_eq!(outcomes(&jobs), ["retry", "parked"]);
    for (number, seen) in (1..).zip(&jobs) {
        assert!(seen.closed);
        assert_eq!(seen.fields.get("attempt"), i32::to_string(&number));
        assert_eq!(seen.fields.get("traceparent"), traceparent);
        assert_eq!(seen.fields.get("messaging.message.id"), job.id.to_string());
        assert_eq!(seen.fields.get("messaging.destination.name"), "mail");
        let delivery = seen.fields.get("delivery");
        assert_eq!(delivery, dispatch.fields.get("delivery"));
        let listeners = children(seen);
        assert_eq!(listeners.len(), 1);
        let failed = ["ERROR the listener failed no luck"];
        assert_eq!(listeners[0].told(), failed);
    }
    assert_eq!(
        jobs[0].told(),
        ["WARN the attempt failed: there will be another no luck"]
    );
    assert_eq!(
        jobs[1].told(),
        ["ERROR the job has failed for good: it is parked no luck"]
    );
}

/// A queue that keeps jobs for the test.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Job>>>);

impl Queue for Kept {
    fn capabilities(&self) -> &[Capability] {
        &[]
    }

    fn push(&self, jobs: Vec<Job>) -> BoxFuture<'_, Result<(), PushError>> {
        Box::pin(std::future::ready(self.push_sync(jobs)))
    }

    fn push_sync(&self, jobs: Vec<Job>) -> Result<(), PushError> {
        self.0.lock().unwrap().extend(jobs);
        Ok(())
    }
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "jobs.damaged")]
struct Damaged;

mod damaged {
    use super::{Damaged, listener};

    #[listener(Damaged, queue)]
    fn runs(_: &Damaged) {}
}

#[test]
fn a_damaged_trace_is_left_out_and_the_job_runs() {
    capture::all();
    let (queue, trace) = (Kept::default(), Numbered::default());
    let events = Events::builder()
        .only_linked_in(concat!(module_path!(), "::damaged"))
        .queue(queue.clone())
        .trace_context(trace.clone())
        .build()
        .unwrap();
    events.dispatch_sync(&Damaged).unwrap();
    let mut job = queue.0.lock().unwrap().remove(0);
    assert!(job.trace.is_some());
    job.trace = Some("00-not-a-trace".to_owned());
    job.attempts = 1;
    let span = events.job_span(&job);
    let verdict = span.in_scope(|| pollster::block_on(events.process(&job)));
    drop(span);
    assert!(matches!(verdict, Verdict::Done), "{verdict:?}");
    assert!(trace.adopted.lock().unwrap().is_empty());
    let jobs = of_event("job", "jobs.damaged");
    assert_eq!(outcomes(&jobs), ["done"]);
    assert_eq!(jobs[0].fields.get("traceparent"), "");
}

struct Garbled;

impl TraceContext for Garbled {
    fn current(&self) -> Option<String> {
        Some("a secret, not a trace".to_owned())
    }

    fn adopt(&self, _: &Span, traceparent: &str) {
        panic!("adopted {traceparent}");
    }
}

struct Panicking;

impl TraceContext for Panicking {
    fn current(&self) -> Option<String> {
        panic!("no trace")
    }

    fn adopt(&self, _: &Span, _: &str) {
        panic!("no trace")
    }
}

#[test]
fn a_trace_context_that_misbehaves_costs_the_trace_alone() {
    capture::all();
    let queue = Kept::default();
    let module = concat!(module_path!(), "::damaged");
    let builder = || {
        Events::builder()
            .only_linked_in(module)
            .queue(queue.clone())
    };
    let garbled = builder().trace_context(Garbled).build().unwrap();
    garbled.dispatch_sync(&Damaged).unwrap();
    let panicking = builder().trace_context(Panicking).build().unwrap();
    panicking.dispatch_sync(&Damaged).unwrap();
    let mut jobs = std::mem::take(&mut *queue.0.lock().unwrap());
    assert!(jobs.iter().all(|job| job.trace.is_none()));
    jobs[0].trace = Some(format!("00-{:032x}-{:016x}-01", 1, 1));
    jobs[0].event = "jobs.panicking".to_owned();
    drop(panicking.job_span(&jobs[0]));
    assert_eq!(of_event("job", "jobs.panicking").len(), 1);
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "jobs.stored")]
struct Stored;

#[listener(Stored, queue = "a")]
async fn is_async(_: &Stored) {
    tokio::task::yield_now().await;
    tracing::info!("async");
}

#[listener(Stored, queue = "b")]
fn blocks(_: &Stored) {
    tracing::info!("blocks");
}

#[listener(Stored, queue = "c", tries = 2, backoff = "1ms")]
async fn in_transaction(
    _: &Stored,
    tx: &Tx,
    attempt: events_core::Attempt,
) -> Result<(), std::io::Error> {
    let _ = tx;
    tracing::info!("in a transaction");
    if attempt.number == 1 {
        return Err(std::io::Error::other("once"));
    }
    Ok(())
}

#[test]
fn a_worker_runs_jobs_in_their_spans() {
    on_every_database(async |base| {
        let before = of_event("job", "jobs.stored").len();
        let (store, trace) = (base.store().await, Numbered::default());
        let events = builder()
            .queue(store.queue())
            .trace_context(trace.clone())
            .build()
            .unwrap();
        events.dispatch(&Stored).await.unwrap();
        Worker::new(&events, &store).drain().await.unwrap();
        let mut jobs = of_event("job", "jobs.stored").split_off(before);
        jobs.sort_by_key(|job| {
            let queue = job.fields.get("messaging.destination.name").to_owned();
            (queue, job.fields.get("attempt").to_owned())
        });
        assert_eq!(outcomes(&jobs), ["done", "done", "retry", "done"]);
        let adopted = trace.adopted.lock().unwrap().clone();
        assert_eq!(adopted.len(), 4);
        let expected = ["async", "blocks", "in a transaction", "in a transaction"];
        for (job, expected) in jobs.iter().zip(expected) {
            let listener = &find(job, "listener")[0];
            assert_eq!(listener.told()[0], format!("INFO {expected}"));
            assert!(adopted.iter().all(|it| it == job.fields.get("traceparent")));
        }
    });
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "jobs.announced", announced)]
struct Announced;

#[listener(Announced)]
fn hears_the_announcement(_: &Announced) {
    tracing::info!("in the announcement");
}

/// No listener is queued, and yet there is a job, which carries the trace.
#[test]
fn an_announcement_belongs_to_the_trace_of_its_dispatch() {
    on_every_database(async |base| {
        let before = of_event("job", "jobs.announced").len();
        let (store, trace) = (base.store().await, Numbered::default());
        let events = builder()
            .queue(store.queue())
            .trace_context(trace.clone())
            .build()
            .unwrap();
        store
            .with_events(&events)
            .transaction(async |tx: &Tx| {
                tx.dispatch(&Announced).await.unwrap();
                Ok::<_, events_std::StoreError>(())
            })
            .await
            .unwrap();
        Worker::new(&events, &store).drain().await.unwrap();
        let dispatch = of_event("dispatch", "jobs.announced").pop().unwrap();
        assert_eq!(dispatch.fields.get("otel.kind"), "producer");
        assert_eq!(dispatch.fields.get("jobs"), "1");
        let jobs = of_event("job", "jobs.announced").split_off(before);
        assert_eq!(outcomes(&jobs), ["done"]);
        let carried = jobs[0].fields.get("traceparent").to_owned();
        assert!(!carried.is_empty());
        assert_eq!(*trace.adopted.lock().unwrap(), [carried]);
        let inner = find(&jobs[0], "listener");
        assert_eq!(inner.len(), 1);
        assert_eq!(inner[0].told(), ["INFO in the announcement"]);
        // Outside of a transaction its listeners run at once, and there is no job.
        events.dispatch(&Announced).await.unwrap();
        let dispatch = of_event("dispatch", "jobs.announced").pop().unwrap();
        assert_eq!(dispatch.fields.get("otel.kind"), "");
        assert_eq!(dispatch.fields.get("jobs"), "");
    });
}

/// The spans of this name in another, however deep.
fn find(within: &Seen, name: &str) -> Vec<Seen> {
    let mut found = Vec::new();
    for child in children(within) {
        found.extend(find(&child, name));
        if child.name == name {
            found.push(child);
        }
    }
    found
}
