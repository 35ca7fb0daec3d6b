//! Sync listeners that may fail, and do not.

use super::event_with;
use crate::case::Run;
use crate::tally::Tally;

events! {
    #[events_core::listener(Heard)]
    fn count(event: &Heard) -> Result<(), std::fmt::Error> {
        event.0.add();
        Ok(())
    }
}

pub(crate) fn prepare(listeners: usize, tally: Tally) -> Run {
    event_with!(listeners, tally, sync)
}
