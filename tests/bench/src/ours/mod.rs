//! Our own dispatches, through the public API, as a user writes them.

pub(crate) mod mixed;
pub(crate) mod ready;
pub(crate) mod result;
pub(crate) mod state;
pub(crate) mod unit;

use std::hint::black_box;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use events_core::{Event, Events};

use crate::case::Run;

/// The dispatcher of all cases and threads: everything that is linked, and the state that some listeners need.
///
/// # Panics
///
/// If the wiring is wrong.
fn dispatcher() -> Events {
    static DISPATCHER: LazyLock<Events> = LazyLock::new(|| {
        Events::builder()
            .state(state::Step(1))
            .build()
            .expect("the wiring of the benchmarks")
    });
    DISPATCHER.clone()
}

/// Dispatches the event without a runtime.
fn sync<E: Event<Response = ()>>(event: E) -> Run {
    let events = dispatcher();
    Box::new(move |times| {
        for _ in 0..times {
            let dispatched = black_box(&events).dispatch_sync(black_box(&event));
            assert!(dispatched.is_ok());
        }
    })
}

/// Clones the dispatcher's handle for each dispatch: the count of handles is shared by all threads.
fn cloned<E: Event<Response = ()>>(event: E) -> Run {
    let events = dispatcher();
    Box::new(move |times| {
        for _ in 0..times {
            let dispatched = black_box(&events).clone().dispatch_sync(black_box(&event));
            assert!(dispatched.is_ok());
        }
    })
}

/// Builds the future of a dispatch, polls it by hand and drops it. It must be ready at once.
fn polled<E: Event<Response = ()>>(event: E) -> Run {
    let events = dispatcher();
    Box::new(move |times| {
        let mut task = Context::from_waker(Waker::noop());
        for _ in 0..times {
            let dispatch = pin!(black_box(&events).dispatch(black_box(&event)));
            let dispatched = dispatch.poll(&mut task);
            assert!(matches!(dispatched, Poll::Ready(Ok(_))));
        }
    })
}

/// Calls `$run` with the event that has this many listeners.
macro_rules! event_with {
    ($listeners:expr, $tally:expr, $run:ident) => {
        match $listeners {
            0 => $crate::ours::$run(Zero($tally)),
            1 => $crate::ours::$run(One($tally)),
            10 => $crate::ours::$run(Ten($tally)),
            100 => $crate::ours::$run(Hundred($tally)),
            other => panic!("no event has {other} listeners"),
        }
    };
}
use event_with;
