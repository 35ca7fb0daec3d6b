//! What is dropped half-way: the error hook hears of everything that did not run.

use std::sync::{Arc, Mutex};

use events_core::{
    AfterCommit, BoxFuture, Capability, Event, Events, EventsBuilder, Incident, Job, PushError,
    Queue, listener,
};

use crate::{builder, poll_once};

#[derive(Clone, Debug, Event)]
struct Waits;

#[listener(Waits)]
async fn waits(_: &Waits) {
    std::future::pending::<()>().await;
}

#[derive(Clone, Debug, Event)]
#[event(after_commit)]
struct Committed;

#[listener(Committed)]
async fn waits_too(_: &Committed) {
    std::future::pending::<()>().await;
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "cancelled.queued")]
struct Queued;

#[listener(Queued, queue)]
fn queued(_: &Queued) {}

#[listener(Queued)]
fn inline(_: &Queued) {}

/// A queue whose pushes never end.
struct Slow;

impl Queue for Slow {
    fn capabilities(&self) -> &[Capability] {
        &[]
    }

    fn push(&self, _: Vec<Job>) -> BoxFuture<'_, Result<(), PushError>> {
        Box::pin(std::future::pending())
    }
}

type Told = Arc<Mutex<Vec<String>>>;

fn telling(builder: EventsBuilder) -> (Events, Told) {
    let told = Told::default();
    let into = told.clone();
    let builder = builder.error_hook(move |incident| {
        if let Incident::NotRun(not_run) = incident {
            let mut told = into.lock().unwrap();
            for listener in not_run.listeners() {
                let name = listener.name().rsplit("::").next().unwrap_or_default();
                told.push(format!("{} {name}", not_run.event()));
            }
            told.extend(not_run.failures().iter().map(ToString::to_string));
        }
    });
    (builder.build().unwrap(), told)
}

fn events() -> (Events, Told) {
    telling(builder(module_path!()).queue(Slow))
}

#[test]
fn every_dispatch_after_a_block_that_is_dropped_is_told() {
    let (events, told) = events();
    let mut deferring = Box::pin(events.defer(async {
        for _ in 0..3 {
            events.dispatch(&Waits).await.unwrap();
        }
        Ok::<_, String>(())
    }));
    assert!(poll_once(deferring.as_mut()).is_pending());
    drop(deferring);
    assert_eq!(told.lock().unwrap().len(), 3);
}

#[test]
fn every_listener_that_waited_for_a_commit_is_told() {
    let (events, told) = events();
    let transaction = AfterCommit::new(&events);
    let mut block = Box::pin(transaction.scope(async {
        for _ in 0..3 {
            events.dispatch(&Committed).await.unwrap();
        }
    }));
    assert!(poll_once(block.as_mut()).is_ready());
    drop(block);
    let mut following = Box::pin(transaction.committed());
    assert!(poll_once(following.as_mut()).is_pending());
    drop(following);
    assert_eq!(*told.lock().unwrap(), ["Committed waits_too"; 3]);
}

#[test]
fn a_dispatch_that_is_dropped_while_it_pushes_is_told() {
    let (events, told) = events();
    let mut dispatching = Box::pin(events.dispatch(&Queued));
    assert!(poll_once(dispatching.as_mut()).is_pending());
    drop(dispatching);
    assert_eq!(
        *told.lock().unwrap(),
        ["cancelled.queued queued", "cancelled.queued inline"]
    );
}

#[test]
fn a_dropped_listener_whose_destructor_panics_is_told_with_the_panic() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("in the destructor");
        }
    }
    let listener = |_: &Waits| {
        let bad = Bad;
        async move {
            let _bad = bad;
            std::future::pending::<()>().await;
        }
    };
    let (events, told) = telling(
        Events::builder()
            .without_linked()
            .listen("a", listener)
            .listen("b", |_: &Waits| {}),
    );
    let mut dispatching = Box::pin(events.dispatch(&Waits));
    assert!(poll_once(dispatching.as_mut()).is_pending());
    drop(dispatching);
    let told = told.lock().unwrap();
    assert_eq!(told[..2], ["Waits a", "Waits b"]);
    assert!(told[2].contains("in the destructor"), "{told:?}");
}
