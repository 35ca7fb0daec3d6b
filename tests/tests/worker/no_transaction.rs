//! Listeners that could never have the transaction that they ask for.

use events_core::{Event, Events, FaultKind, listener};
use events_std::Tx;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.refused", after_commit)]
struct Refused;

#[listener(Refused)]
async fn writes(_: &Refused, _: &Tx) {}

#[test]
fn an_inline_listener_of_an_event_that_waits_for_the_commit_cannot_ask_for_the_transaction() {
    let built = Events::builder().only_linked_in(module_path!()).build();
    let error = built.expect_err("it would never get one");
    let kinds: Vec<FaultKind> = error
        .faults()
        .iter()
        .map(events_core::Fault::kind)
        .collect();
    assert_eq!(kinds, [FaultKind::NoTransaction], "{error}");
}
