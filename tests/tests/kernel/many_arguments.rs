//! A listener with as many arguments as it can have.

use events_core::{Attempt, Delivery, Event, Events, State, listener};

use crate::{Log, builder, log};

#[derive(Debug, Event)]
struct Many;

// As many as a listener can have.
#[allow(clippy::too_many_arguments, clippy::many_single_char_names)]
#[listener(Many)]
fn eight(
    _: &Many,
    log: &State<Log>,
    a: &State<u8>,
    b: &State<u16>,
    c: &State<u32>,
    d: &State<u64>,
    e: Attempt,
    f: Delivery,
    g: Events,
) {
    let (_, _) = (f, g);
    log.write(format!("{} {} {} {} {}", **a, **b, **c, **d, e.number));
}

#[test]
fn each_argument_is_its_own() {
    let events = builder(module_path!())
        .state(1_u8)
        .state(2_u16)
        .state(3_u32)
        .state(4_u64);
    let events = events.build().unwrap();
    events.dispatch_sync(&Many).unwrap();
    assert_eq!(log(&events), ["1 2 3 4 1"]);
}
