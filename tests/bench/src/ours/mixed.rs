//! Sync and async listeners of one event, half of each, in turns. The one listener of an event that has one is async.

use super::event_with;
use crate::case::Run;
use crate::tally::Tally;

/// An event without listeners.
#[derive(events_core::Event)]
#[expect(dead_code, reason = "no listener reads it")]
pub(crate) struct Zero(Tally);

/// An event with one listener.
#[derive(events_core::Event)]
pub(crate) struct One(Tally);

/// An event with ten listeners.
#[derive(events_core::Event)]
pub(crate) struct Ten(Tally);

/// An event with a hundred listeners.
#[derive(events_core::Event)]
pub(crate) struct Hundred(Tally);

mod one {
    #[events_core::listener(super::One)]
    async fn count(event: &super::One) {
        event.0.add();
    }
}

/// A sync and an async listener, in five modules and in fifty.
macro_rules! pair {
    () => {
        #[events_core::listener(Heard)]
        fn a_sync(event: &Heard) {
            event.0.add();
        }

        #[events_core::listener(Heard)]
        async fn b_async(event: &Heard) {
            event.0.add();
        }
    };
}

/// Five modules with these items.
macro_rules! five {
    ($($item:tt)*) => {
        mod p0 { use super::*; $($item)* }
        mod p1 { use super::*; $($item)* }
        mod p2 { use super::*; $($item)* }
        mod p3 { use super::*; $($item)* }
        mod p4 { use super::*; $($item)* }
    };
}

mod ten {
    type Heard = super::Ten;
    five! { pair!(); }
}

mod hundred {
    type Heard = super::Hundred;
    ten! { five! { pair!(); } }
}

pub(crate) fn prepare(listeners: usize, tally: Tally) -> Run {
    event_with!(listeners, tally, polled)
}
