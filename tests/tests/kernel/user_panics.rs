//! Panics in the functions that a dispatch calls besides its listeners: a refusal says which.

use events_core::{
    AfterCommit, Event, Events, JobFailure, MemoryQueue, Model, Refusal, State, listener, model,
};
use pollster::block_on;
use serde::{Deserialize, Serialize};

use crate::{Log, builder, log, poll_once};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "user_panics.model")]
struct WithModel {
    #[event(model)]
    model: Keyless,
}

#[derive(Clone, Debug)]
struct Keyless;

impl Model for Keyless {
    const NAME: &'static str = "keyless";
    type Key = u8;

    fn key(&self) -> u8 {
        panic!("no key")
    }
}

#[model]
fn load(_: u8) -> Result<Option<Keyless>, String> {
    Ok(Some(Keyless))
}

#[listener(WithModel, queue)]
fn with_model(_: &WithModel) {}

#[listener(WithModel)]
fn with_model_inline(_: &WithModel, log: &State<Log>) {
    log.write("ran");
}

#[derive(Clone, Debug)]
struct Bad;

impl Serialize for Bad {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("no text")
    }
}

impl<'de> Deserialize<'de> for Bad {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "user_panics.field")]
struct WithField {
    field: Bad,
}

#[listener(WithField, queue)]
fn with_field(_: &WithField) {}

#[derive(Debug, Event)]
#[event(after_commit)]
struct BadClone;

impl Clone for BadClone {
    fn clone(&self) -> Self {
        panic!("no clone")
    }
}

#[listener(BadClone)]
fn hears(_: &BadClone) {}

#[derive(Clone, Event)]
struct BadDebug;

impl std::fmt::Debug for BadDebug {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no debug")
    }
}

/// A panic whose payload panics when it is dropped.
struct DropPanics;

impl Drop for DropPanics {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[derive(Debug)]
struct BadText;

impl std::fmt::Display for BadText {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::panic::panic_any(DropPanics)
    }
}

impl std::error::Error for BadText {}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "user_panics.text")]
struct WithText;

#[listener(WithText, queue, tries = 1)]
fn with_text(_: &WithText) -> Result<(), BadText> {
    Err(BadText)
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "user_panics.drop")]
struct WithDrop {
    fails: bool,
}

impl Drop for WithDrop {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[listener(WithDrop, queue, tries = 1, failed = hook_of_drop)]
fn with_drop(event: &WithDrop, log: &State<Log>) -> Result<(), &'static str> {
    log.write("ran");
    if event.fails { Err("no") } else { Ok(()) }
}

fn hook_of_drop(_: &WithDrop, failure: &JobFailure, log: &State<Log>) {
    log.write(format!("hook: {failure}"));
}

fn events() -> (Events, MemoryQueue) {
    let queue = MemoryQueue::new();
    let events = builder(module_path!()).queue(queue.clone()).build();
    (events.unwrap(), queue)
}

#[test]
fn a_key_or_a_field_that_panics_refuses_the_dispatch() {
    let (events, queue) = events();
    let error = events
        .dispatch_sync(&WithModel { model: Keyless })
        .unwrap_err();
    assert!(matches!(error.refusal(), Some(Refusal::Encode(_))));
    assert!(error.to_string().contains("no key"), "{error}");
    let error = block_on(events.dispatch(&WithField { field: Bad })).unwrap_err();
    assert!(matches!(error.refusal(), Some(Refusal::Encode(_))));
    assert_eq!((queue.waiting(), log(&events).len()), (0, 0));
}

#[test]
fn a_clone_that_panics_refuses_what_must_be_kept() {
    let (events, _) = events();
    let transaction = AfterCommit::new(&events);
    let mut dispatching = Box::pin(transaction.scope(events.dispatch(&BadClone)));
    let std::task::Poll::Ready(Err(error)) = poll_once(dispatching.as_mut()) else {
        panic!("not refused");
    };
    assert!(matches!(error.refusal(), Some(Refusal::ClonePanicked(_))));
    let error = events
        .defer_sync(|| events.dispatch_sync(&BadClone).map(drop))
        .unwrap_err();
    assert!(matches!(error, events_core::DeferError::Block(_)));
}

#[test]
fn a_fake_records_what_cannot_be_shown_or_cloned() {
    let fake = builder(module_path!()).fake();
    fake.events().dispatch_sync(&BadDebug).unwrap();
    fake.events().dispatch_sync(&BadClone).unwrap();
    fake.assert_dispatched_once::<BadDebug>();
    fake.assert_dispatched_once::<BadClone>();
    assert!(format!("{fake:?}").contains("its `Debug` panicked"));
}

#[test]
fn an_error_whose_text_panics_parks_its_job() {
    let (events, queue) = events();
    events.dispatch_sync(&WithText).unwrap();
    assert_eq!(block_on(queue.drain(&events)).parked, 1);
}

/// How its run has ended stands by then.
#[test]
fn an_event_that_panics_when_it_is_dropped_changes_no_verdict() {
    let (events, queue) = events();
    for fails in [false, true] {
        let event = std::mem::ManuallyDrop::new(WithDrop { fails });
        block_on(events.dispatch(&*event)).unwrap();
    }
    let drained = block_on(queue.drain(&events));
    assert_eq!((drained.done, drained.parked), (1, 1));
    assert_eq!(log(&events), ["ran", "ran", "hook: exhausted: no"]);
}
