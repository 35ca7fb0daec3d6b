//! Arguments that several commands share.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use events_core::{NotAParkReason, ParkReason};

use crate::queue::operate::FailedFilter;

// Which of the parked jobs are meant.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct FilterArgs {
    /// Only jobs of this queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Only jobs of this event, by its stored name
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only jobs of this listener, by its stored name
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Only jobs parked for this reason: exhausted, timed-out, crashed, undecodable..
    #[arg(long, value_parser = reason)]
    reason: Option<ParkReason>,
    /// Only jobs parked longer ago than this: 30m, 12h, 7days
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
}

impl FilterArgs {
    /// The names of all its arguments.
    pub(super) const ALL: [&'static str; 5] =
        ["queue", "event", "listener", "reason", "older_than"];

    pub(super) fn filter(self, now: DateTime<Utc>) -> FailedFilter {
        let mut filter = FailedFilter::new();
        if let Some(queue) = self.queue {
            filter = filter.queue(queue);
        }
        if let Some(event) = self.event {
            filter = filter.event(event);
        }
        if let Some(listener) = self.listener {
            filter = filter.listener(listener);
        }
        if let Some(reason) = self.reason {
            filter = filter.reason(reason);
        }
        if let Some(age) = self.older_than {
            let before = TimeDelta::from_std(age)
                .ok()
                .and_then(|age| now.checked_sub_signed(age))
                .unwrap_or(DateTime::<Utc>::MIN_UTC);
            filter = filter.parked_before(before);
        }
        filter
    }
}

/// A reason as it is stored, displayed, or typed with hyphens.
fn reason(text: &str) -> Result<ParkReason, NotAParkReason> {
    text.to_lowercase().replace([' ', '-'], "_").parse()
}

#[cfg(test)]
mod tests {
    use events_core::ParkReason;

    use super::reason;

    #[test]
    fn a_reason_is_read_as_it_is_displayed_and_as_it_is_typed() {
        for text in ["timed out", "timed-out", "timed_out", "Timed-Out"] {
            assert_eq!(reason(text), Ok(ParkReason::TimedOut));
        }
        let error = reason("tired").unwrap_err().to_string();
        assert!(error.contains("exhausted"), "it names the reasons: {error}");
    }
}
