//! The spans of dispatches and of inline listeners.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use events_core::{AfterCommit, Delivery, Event, Events, listener};

use crate::capture::{self, Seen, children, of_event};

/// A future that is ready when it is polled for the second time.
async fn once_pending() {
    let mut polled = false;
    poll_fn(|task| {
        if polled {
            return Poll::Ready(());
        }
        polled = true;
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn events() -> Events {
    capture::all();
    Events::builder()
        .only_linked_in(module_path!())
        .build()
        .unwrap()
}

fn only(mut seen: Vec<Seen>) -> Seen {
    let one = seen.pop().expect("a span");
    assert!(seen.is_empty(), "and {seen:?}");
    one
}

/// The last part of the names of the listeners whose spans these are.
fn names(of: &[Seen]) -> Vec<&str> {
    of.iter()
        .map(|seen| {
            assert_eq!(seen.name, "listener");
            assert!(seen.closed, "{seen:?}");
            seen.fields.get("listener").rsplit("::").next().unwrap()
        })
        .collect()
}

#[derive(Clone, Debug, Event)]
#[event(name = "spans.sync")]
struct Plain;

#[listener(Plain, priority = 3)]
fn first(_: &Plain, delivery: Delivery) {
    tracing::info!("in the first: {}", delivery.id);
}

#[listener(Plain, priority = 2)]
fn fails(_: &Plain) -> Result<(), std::io::Error> {
    Err(std::io::Error::other("no luck"))
}

#[listener(Plain, priority = 1)]
fn panics(_: &Plain) {
    panic!("no hope");
}

#[listener(Plain)]
fn last(_: &Plain) {}

#[test]
fn sync_listeners_are_in_the_span_of_their_dispatch() {
    let failures = events().dispatch_sync(&Plain).unwrap_err();
    assert_eq!(failures.failures().len(), 2);
    let dispatch = only(of_event("dispatch", "spans.sync"));
    assert!(dispatch.closed);
    let listeners = children(&dispatch);
    assert_eq!(names(&listeners), ["first", "fails", "panics", "last"]);
    let delivery = dispatch.fields.get("delivery");
    assert_eq!(
        listeners[0].told(),
        [format!("INFO in the first: {delivery}")]
    );
    assert_eq!(listeners[1].told(), ["ERROR the listener failed no luck"]);
    assert_eq!(
        listeners[2].told(),
        ["ERROR the listener failed panicked: no hope"]
    );
    assert!(listeners[3].told().is_empty());
    let failure = &failures.failures()[0];
    let source = failure.listener().source();
    assert_eq!(listeners[1].fields.get("code.file.path"), source.file);
    let line = listeners[1].fields.get("code.line.number");
    assert_eq!(line, source.line.to_string());
}

#[derive(Clone, Debug, Event)]
#[event(name = "spans.async")]
struct Slow;

#[derive(Clone, Debug, Event)]
#[event(name = "spans.inner")]
struct Inner;

#[listener(Slow, priority = 2)]
async fn waits(_: &Slow, events: Events) {
    once_pending().await;
    tracing::info!("after the wait");
    events.dispatch(&Inner).await.unwrap();
}

#[listener(Slow, priority = 1)]
async fn waits_and_fails(_: &Slow) -> Result<(), std::io::Error> {
    once_pending().await;
    Err(std::io::Error::other("too late"))
}

#[listener(Slow)]
async fn waits_and_panics(_: &Slow) {
    once_pending().await;
    panic!("far too late");
}

#[test]
fn async_listeners_are_entered_at_each_poll_and_left_between() {
    let failures = pollster::block_on(async {
        let events = events();
        let mut dispatch = pin!(events.dispatch(&Slow));
        poll_fn(|task| {
            let polled = dispatch.as_mut().poll(task);
            assert!(tracing::Span::current().is_none(), "all spans are left");
            polled
        })
        .await
        .unwrap_err()
    });
    assert_eq!(failures.failures().len(), 2);
    let dispatch = only(of_event("dispatch", "spans.async"));
    let listeners = children(&dispatch);
    assert_eq!(
        names(&listeners),
        ["waits", "waits_and_fails", "waits_and_panics"]
    );
    assert!(listeners.iter().all(|listener| listener.entered >= 2));
    assert_eq!(listeners[0].told(), ["INFO after the wait"]);
    assert_eq!(listeners[1].told(), ["ERROR the listener failed too late"]);
    assert_eq!(
        listeners[2].told(),
        ["ERROR the listener failed panicked: far too late"]
    );
    let inner = only(children(&listeners[0]));
    assert_eq!(inner.fields.get("event"), "spans.inner", "it dispatched on");
}

#[derive(Clone, Debug, Event)]
#[event(name = "spans.dropped")]
struct Dropped;

struct TellsOfItsEnd;

impl Drop for TellsOfItsEnd {
    fn drop(&mut self) {
        tracing::info!("dropped");
    }
}

#[listener(Dropped)]
async fn never_ends(_: &Dropped) {
    let _kept = TellsOfItsEnd;
    std::future::pending::<()>().await;
}

#[test]
fn what_is_dropped_half_way_is_dropped_in_its_span() {
    let events = events();
    {
        let mut dispatch = pin!(events.dispatch(&Dropped));
        let mut task = Context::from_waker(Waker::noop());
        assert!(dispatch.as_mut().poll(&mut task).is_pending());
    }
    let dispatch = only(of_event("dispatch", "spans.dropped"));
    let listener = only(children(&dispatch));
    assert_eq!(listener.told(), ["INFO dropped"]);
    assert!(listener.closed && dispatch.closed);
}

#[derive(Clone, Debug, Event)]
#[event(name = "spans.committed", after_commit)]
struct Committed;

#[listener(Committed)]
fn hears_of_the_commit(_: &Committed) {}

#[test]
fn what_waits_for_a_commit_is_in_the_span_of_its_dispatch() {
    let events = events();
    pollster::block_on(async {
        let transaction = AfterCommit::new(&events);
        transaction
            .scope(events.dispatch(&Committed))
            .await
            .unwrap();
        let dispatch = only(of_event("dispatch", "spans.committed"));
        assert!(children(&dispatch).is_empty(), "not yet");
        transaction.committed().await;
    });
    let dispatch = only(of_event("dispatch", "spans.committed"));
    assert_eq!(names(&children(&dispatch)), ["hears_of_the_commit"]);
}

#[derive(Clone, Debug, Event)]
#[event(name = "spans.silenced")]
struct Silenced;

#[derive(Clone, Debug, Event)]
#[event(name = "spans.deferred")]
struct Deferred;

#[test]
fn a_dispatch_that_does_not_take_place_has_no_span() {
    let events = events();
    events.without_events_sync(|| events.dispatch_sync(&Silenced).unwrap());
    assert!(of_event("dispatch", "spans.silenced").is_empty());
    let deferred = events.defer_sync(|| {
        events.dispatch_sync(&Deferred).unwrap();
        assert!(of_event("dispatch", "spans.deferred").is_empty());
        Ok::<_, std::io::Error>(())
    });
    deferred.unwrap();
    assert!(only(of_event("dispatch", "spans.deferred")).closed);
}

#[derive(Clone, Debug, Event)]
#[event(name = "spans.refused")]
struct Refused;

#[listener(Refused)]
async fn is_async(_: &Refused) {}

#[test]
fn a_refusal_is_told() {
    events().dispatch_sync(&Refused).unwrap_err();
    let told = only(of_event("dispatch", "spans.refused")).told();
    let [line] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(
        line.starts_with("ERROR the dispatch was refused `"),
        "{line}"
    );
    assert!(line.contains("is async"), "{line}");
}
