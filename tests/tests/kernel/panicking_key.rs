//! A function that makes a job's key, and panics.

use events_core::{BoxFuture, Capability, Event, Job, PushError, Queue, Refusal, State, listener};
use pollster::block_on;

use crate::{Log, builder, log};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "panicking_key.told")]
struct Told;

fn key(_: &Told) -> String {
    panic!("no key")
}

#[listener(Told, queue, unique = key)]
fn queued(_: &Told) {}

#[listener(Told)]
fn inline(_: &Told, log: &State<Log>) {
    log.write("ran");
}

/// A queue that takes the option and keeps nothing.
struct Unique;

impl Queue for Unique {
    fn capabilities(&self) -> &[Capability] {
        &[Capability::Unique]
    }

    fn push(&self, _: Vec<Job>) -> BoxFuture<'_, Result<(), PushError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[test]
fn it_refuses_the_dispatch() {
    let events = builder(module_path!()).queue(Unique).build().unwrap();
    let error = block_on(events.dispatch(&Told)).unwrap_err();
    let Some(Refusal::KeyPanicked(listener, message)) = error.refusal() else {
        panic!("{error}");
    };
    assert!(listener.name().ends_with("queued"));
    assert_eq!(message, "no key");
    assert!(log(&events).is_empty());
}
