//! Sync listeners that return nothing.

use super::event_with;
use crate::case::Run;
use crate::tally::Tally;

events! {
    #[events_core::listener(Heard)]
    fn count(event: &Heard) {
        event.0.add();
    }
}

pub(crate) fn prepare(listeners: usize, tally: Tally) -> Run {
    event_with!(listeners, tally, sync)
}

/// The same listeners, dispatched by a future.
pub(crate) fn prepare_async(listeners: usize, tally: Tally) -> Run {
    event_with!(listeners, tally, polled)
}

/// The same listeners, dispatched by a new handle of the dispatcher each time.
pub(crate) fn prepare_cloned(listeners: usize, tally: Tally) -> Run {
    event_with!(listeners, tally, cloned)
}
