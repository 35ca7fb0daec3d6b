//! Blocks inside blocks, and what a block's destructors dispatch.

use std::convert::Infallible;

use events_core::{AfterCommit, Event, Events, Extensions, MemoryQueue, State, listener};
use pollster::block_on;

use crate::{Log, builder, log, poll_once};

#[derive(Clone, Debug, Event)]
struct Told(u32);

#[listener(Told)]
fn tells(event: &Told, log: &State<Log>) {
    log.write(event.0.to_string());
}

#[derive(Clone, Debug, Event)]
#[event(after_commit)]
struct Committed;

#[listener(Committed)]
fn commits(_: &Committed, log: &State<Log>) {
    log.write("committed");
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "blocks.queued")]
struct Queued;

#[listener(Queued, queue)]
fn queued(_: &Queued) {}

fn events() -> Events {
    builder(module_path!())
        .queue(MemoryQueue::new())
        .build()
        .unwrap()
}

fn fine<T>(value: T) -> Result<T, Infallible> {
    Ok(value)
}

/// Dispatches when it is dropped.
struct Last(Option<Events>);

impl Drop for Last {
    fn drop(&mut self) {
        match &self.0 {
            Some(events) => events.dispatch_sync(&Told(9)),
            None => Told(9).dispatch_sync(),
        }
        .unwrap();
    }
}

#[test]
fn what_silences_a_block_silences_the_blocks_in_it() {
    let events = events();
    events
        .defer_sync(|| {
            let silenced = events.without_events_sync(|| {
                events.defer_sync(|| fine(events.dispatch_sync(&Told(1)).unwrap()))
            });
            fine(silenced.unwrap())
        })
        .unwrap();
    assert!(log(&events).is_empty());
}

#[test]
fn what_waits_for_a_commit_inside_a_defer_block_vanishes_with_the_rollback() {
    let events = events();
    block_on(events.defer(async {
        let transaction = AfterCommit::new(&events);
        transaction
            .scope(events.dispatch(&Committed))
            .await
            .unwrap();
        drop(transaction);
        let transaction = AfterCommit::new(&events);
        let inner = events.defer(async { fine(events.dispatch(&Committed).await.unwrap()) });
        transaction.scope(inner).await.unwrap();
        assert!(log(&events).is_empty());
        transaction.committed().await;
        assert_eq!(log(&events), ["committed"]);
        fine(())
    }))
    .unwrap();
    assert!(log(&events).is_empty());
}

#[test]
fn a_dispatch_into_a_transaction_stays_in_it_inside_a_defer_block() {
    let events = events();
    let written = std::sync::atomic::AtomicUsize::new(0);
    block_on(events.defer(async {
        let transaction = AfterCommit::new(&events);
        let push = |jobs: Vec<events_core::Job>| {
            written.fetch_add(jobs.len(), std::sync::atomic::Ordering::Relaxed);
            std::future::ready(Ok(()))
        };
        let extensions = Extensions::new();
        let dispatching = transaction.dispatch(&Queued, &extensions, push);
        assert_eq!(transaction.scope(dispatching).await.unwrap().jobs(), 1);
        fine(())
    }))
    .unwrap();
    assert_eq!(written.into_inner(), 1);
}

#[test]
fn what_a_dropped_blocks_destructors_dispatch_belongs_to_the_block() {
    let events = events();
    let waits = |last: Last| async move {
        let _last = last;
        std::future::pending::<Result<(), Infallible>>().await
    };
    let mut deferred = Box::pin(events.defer(waits(Last(Some(events.clone())))));
    assert!(poll_once(deferred.as_mut()).is_pending());
    drop(deferred);
    let mut silenced = Box::pin(events.without_events(waits(Last(Some(events.clone())))));
    assert!(poll_once(silenced.as_mut()).is_pending());
    drop(silenced);
    assert!(log(&events).is_empty());

    let fake = Events::fake();
    let mut scoped = Box::pin(fake.scope(waits(Last(None))));
    assert!(poll_once(scoped.as_mut()).is_pending());
    drop(scoped);
    fake.assert_dispatched_once::<Told>();
}

#[test]
fn a_dispatch_goes_to_the_dispatcher_of_the_scope_that_polls_it() {
    let fake = Events::fake();
    let event = Told(1);
    block_on(fake.scope(event.dispatch())).unwrap();
    fake.assert_dispatched_once::<Told>();
}
