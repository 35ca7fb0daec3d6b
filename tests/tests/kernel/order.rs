//! The order of listeners: priority, then how closely they name the event, then their names.

use events_core::{AnyEvent, Event, State, category, listener};
use pollster::block_on;

use crate::{Log, builder, log, once_pending};

#[derive(Clone, Debug, Event)]
#[event(name = "order.placed", extends(Ordered))]
struct Placed;

#[category]
trait Ordered: AnyEvent {}

#[listener(Placed)]
async fn b_waits(_: &Placed, log: &State<Log>) {
    once_pending().await;
    log.write("b_waits");
}

#[listener(Placed)]
fn a_at_once(_: &Placed, log: &State<Log>) {
    log.write("a_at_once");
}

#[listener(Placed, priority = -1)]
fn last(_: &Placed, log: &State<Log>) {
    log.write("last");
}

#[listener(Placed, priority = 10)]
async fn first(_: &Placed, log: &State<Log>) {
    log.write("first");
}

#[listener("order.*")]
fn a_pattern(event: &dyn AnyEvent, log: &State<Log>) {
    log.write(format!("a_pattern {}", event.name()));
}

#[listener(dyn Ordered)]
fn a_category(event: &dyn Ordered, log: &State<Log>) {
    log.write(format!("a_category {}", event.name()));
}

#[listener("order.*", priority = 20)]
fn pattern_with_priority(_: &dyn AnyEvent, log: &State<Log>) {
    log.write("pattern_with_priority");
}

#[test]
fn priority_then_closeness_then_name() {
    let events = builder(module_path!()).build().unwrap();
    block_on(events.dispatch(&Placed)).unwrap();
    assert_eq!(
        log(&events),
        [
            "pattern_with_priority",
            "first",
            "a_at_once",
            "b_waits",
            "a_category order.placed",
            "a_pattern order.placed",
            "last",
        ]
    );
}

#[test]
fn without_a_runtime_an_async_listener_is_refused_by_name_and_nothing_runs() {
    let events = builder(module_path!()).build().unwrap();
    let error = events.dispatch_sync(&Placed).unwrap_err();
    assert!(
        error.to_string().contains("order::first` (") && error.to_string().contains("is async"),
        "{error}"
    );
    assert!(error.refusal().is_some());
    assert!(log(&events).is_empty());
}
