//! What a listener can hear: one type, several, a category, a name pattern; structs of every kind and enums.

use std::sync::Arc;

use events_core::{AnyEvent, Event, State, category, listener};
use pollster::block_on;

use crate::{Log, builder, log};

/// An event that touches an account.
#[category]
trait Audited: AnyEvent {
    fn account(&self) -> u32;

    fn line(&self) -> String {
        format!("account {}", self.account())
    }
}

#[derive(Debug, Event)]
#[event(name = "heard.named", extends(Audited))]
struct Named {
    account: u32,
}

impl Audited for Named {
    fn account(&self) -> u32 {
        self.account
    }
}

#[derive(Debug, Event)]
#[event(name = "heard.tuple", extends(Audited, Marked))]
struct Tuple(u32, #[allow(dead_code)] Arc<str>);

impl Audited for Tuple {
    fn account(&self) -> u32 {
        self.0
    }

    fn line(&self) -> String {
        "a tuple".to_owned()
    }
}

/// A category that asks nothing of its events.
#[category]
trait Marked: AnyEvent {}

#[derive(Debug, Event)]
struct Unit;

#[derive(Debug, Event)]
#[event(name = "heard.enum")]
enum Choice {
    One,
    Two { value: u32 },
}

#[listener]
fn inferred(event: &Named, log: &State<Log>) {
    log.write(format!("inferred {}", event.account));
}

#[listener(Unit, Choice)]
async fn several(event: &dyn AnyEvent, log: &State<Log>) {
    match event.downcast_ref::<Choice>() {
        Some(Choice::Two { value }) => log.write(format!("several two {value}")),
        Some(Choice::One) => log.write("several one"),
        None => log.write(format!("several {event:?}")),
    }
}

#[listener(dyn Audited)]
fn audit(event: &dyn Audited, log: &State<Log>) {
    log.write(event.line());
}

#[listener(dyn Marked)]
async fn marked(event: &dyn Marked, log: &State<Log>) {
    let event: &dyn AnyEvent = event;
    assert!(event.is::<Tuple>());
    log.write("marked");
}

#[listener("heard.*m*")]
fn with_an_m(event: &dyn AnyEvent, log: &State<Log>) {
    log.write(format!("pattern {}", event.name()));
}

#[listener(Named, when = is_even)]
fn even(_: &Named, log: &State<Log>) {
    log.write("even");
}

fn is_even(event: &Named) -> bool {
    event.account.is_multiple_of(2)
}

#[listener(dyn Audited, when = is_large)]
fn large(_: &dyn Audited, log: &State<Log>) {
    log.write("large");
}

fn is_large(event: &dyn Audited) -> bool {
    event.account() > 100
}

fn heard<E: Event>(event: &E) -> Vec<String> {
    let events = builder(module_path!()).build().unwrap();
    block_on(events.dispatch(event)).map_err(drop).unwrap();
    log(&events)
}

#[test]
fn each_listener_hears_what_it_names() {
    assert_eq!(
        heard(&Named { account: 7 }),
        ["inferred 7", "account 7", "pattern heard.named"]
    );
    assert_eq!(heard(&Tuple(7, "x".into())), ["a tuple", "marked"]);
    assert_eq!(heard(&Unit), ["several Unit"]);
    assert_eq!(
        heard(&Choice::Two { value: 3 }),
        ["several two 3", "pattern heard.enum"]
    );
    assert_eq!(heard(&Choice::One)[0], "several one");
}

#[test]
fn conditions_decide_for_each_event() {
    assert_eq!(
        heard(&Named { account: 8 }),
        ["even", "inferred 8", "account 8", "pattern heard.named"]
    );
    assert_eq!(
        heard(&Tuple(101, "".into())),
        ["a tuple", "large", "marked"]
    );
}

#[test]
fn a_listener_stays_the_function_it_was() {
    let events = builder(module_path!()).build().unwrap();
    inferred(&Named { account: 1 }, events.state().unwrap());
    assert_eq!(log(&events), ["inferred 1"]);
}
