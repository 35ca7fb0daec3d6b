//! Async listeners that are ready when they are first polled.

use super::event_with;
use crate::case::Run;
use crate::tally::Tally;

events! {
    #[events_core::listener(Heard)]
    async fn count(event: &Heard) {
        event.0.add();
    }
}

pub(crate) fn prepare(listeners: usize, tally: Tally) -> Run {
    event_with!(listeners, tally, polled)
}
