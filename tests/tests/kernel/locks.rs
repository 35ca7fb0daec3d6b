//! User code that asks the kernel while the kernel asks it.

use std::sync::{Arc, OnceLock};

use events_core::{
    BoxError, Context, Event, Events, FromContext, MemoryQueue, Needs, State, listener,
};
use pollster::block_on;

use crate::builder;

static DISPATCHER: OnceLock<Events> = OnceLock::new();

#[derive(Clone, Debug, Event)]
struct Asks;

#[derive(Clone, Debug, Event)]
struct Asked;

/// An argument that dispatches when it is asked for its needs.
struct Curious;

impl<'a> FromContext<'a> for Curious {
    fn needs(_: &mut Needs) {
        if let Some(events) = DISPATCHER.get() {
            events.dispatch_sync(&Asked).unwrap();
        }
    }

    fn from_context(_: &Context<'a>) -> Result<Self, BoxError> {
        Ok(Self)
    }
}

#[listener(Asks)]
fn asks(_: &Asks, _: Curious) {}

#[test]
fn what_an_argument_needs_is_asked_without_a_lock() {
    let events = builder(module_path!())
        .queue(MemoryQueue::new())
        .state(MemoryQueue::new())
        .build()
        .unwrap();
    DISPATCHER.set(events.clone()).unwrap();
    let _listening = events.listen(|_: &Asked| {});
    events.dispatch_sync(&Asks).unwrap();
}

#[derive(Debug, Event)]
struct Dispatches;

impl Clone for Dispatches {
    fn clone(&self) -> Self {
        Asked.dispatch_sync().unwrap();
        Self
    }
}

#[test]
fn a_fake_clones_without_a_lock() {
    let fake = Events::fake();
    fake.scope_sync(|| {
        Dispatches.dispatch_sync().unwrap();
        assert_eq!(fake.dispatched::<Dispatches>().len(), 1);
    });
    fake.assert_dispatched_times::<Asked>(2);
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "locks.queued")]
struct Queued;

/// An error whose destructor asks the queue.
#[derive(Debug, Clone)]
struct AsksQueue(Arc<MemoryQueue>);

impl Drop for AsksQueue {
    fn drop(&mut self) {
        let _ = self.0.waiting();
    }
}

impl std::fmt::Display for AsksQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no")
    }
}

impl std::error::Error for AsksQueue {}

#[listener(Queued, queue, tries = 1)]
fn fails(_: &Queued, queue: &State<MemoryQueue>) -> Result<(), AsksQueue> {
    Err(AsksQueue(Arc::new((**queue).clone())))
}

#[test]
fn a_parked_jobs_error_is_dropped_without_a_lock() {
    let queue = MemoryQueue::new();
    let events = builder(module_path!())
        .queue(queue.clone())
        .state(queue.clone())
        .build()
        .unwrap();
    events.dispatch_sync(&Queued).unwrap();
    block_on(queue.drain(&events));
    let id = queue.parked()[0].job.id;
    assert!(queue.retry(id));
}
