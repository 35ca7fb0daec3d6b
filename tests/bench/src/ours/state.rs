//! Sync listeners that ask for a state.

use super::event_with;
use crate::case::Run;
use crate::tally::Tally;

/// What the counter is raised by, in the place of the event's number.
pub(crate) struct Step(pub(crate) u64);

events! {
    #[events_core::listener(Heard)]
    fn count(event: &Heard, step: &events_core::State<crate::ours::state::Step>) {
        event.0.raise(step.0);
    }
}

pub(crate) fn prepare(listeners: usize, tally: Tally) -> Run {
    event_with!(listeners, tally, sync)
}
