//! `mod-events`: listeners that return nothing, and listeners that may fail.

use std::any::Any;
use std::hint::black_box;

use mod_events::{EventDispatcher, ListenerError};

use crate::case::Run;
use crate::tally::Tally;

#[derive(Clone, Debug)]
struct Event(Tally);

impl mod_events::Event for Event {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

pub(crate) fn prepare(listeners: usize, tally: Tally) -> Run {
    let events = EventDispatcher::new();
    for _ in 0..listeners {
        events.on(|event: &Event| event.0.add());
    }
    Box::new(move |times| {
        for _ in 0..times {
            black_box(&events).emit(Event(black_box(tally)));
        }
    })
}

/// With a result for each dispatch.
pub(crate) fn prepare_result(listeners: usize, tally: Tally) -> Run {
    let events = EventDispatcher::new();
    for _ in 0..listeners {
        events.subscribe(|event: &Event| {
            event.0.add();
            Ok::<(), ListenerError>(())
        });
    }
    Box::new(move |times| {
        for _ in 0..times {
            let result = black_box(&events).dispatch(Event(black_box(tally)));
            assert!(result.all_succeeded());
        }
    })
}
