//! A closure takes the event and nothing else.

use events_core::{Event, Events, State};

#[derive(Clone, Debug, Event)]
struct Paid(u8);

fn main() {
    let _ = Events::builder().listen("a", |event: &Paid, _: &State<u8>| drop(event.clone()));
}
