//! Why a job is parked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a job cannot be run, or is not run again.
///
/// It has one word by which it is stored, also as JSON, and may be displayed to people:
///
/// ```
/// use events_core::ParkReason;
///
/// assert_eq!(ParkReason::TimedOut.as_str(), "timed_out");
/// assert_eq!("timed_out".parse(), Ok(ParkReason::TimedOut));
/// assert_eq!(ParkReason::TimedOut.to_string(), "timed out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ParkReason {
    /// Every attempt failed.
    Exhausted,
    /// The listener said that no further attempt would help: [`Permanent`](crate::Permanent).
    Permanent,
    /// The time in which attempts may start is over.
    Expired,
    /// The payload cannot be read.
    Undecodable,
    /// No event of this program has the job's event name.
    UnknownEvent,
    /// No listener of the event has the job's listener name.
    UnknownListener,
    /// The event's wire form has another version.
    UnknownVersion,
    /// A model that the event names is gone.
    MissingModel,
    /// The dispatcher lacks what the listener needs.
    Unwired,
    /// The last attempt took longer than the listener's timeout.
    TimedOut,
    /// The process died in the last attempt.
    Crashed,
}

impl ParkReason {
    const ALL: [Self; 11] = [
        Self::Exhausted,
        Self::Permanent,
        Self::Expired,
        Self::Undecodable,
        Self::UnknownEvent,
        Self::UnknownListener,
        Self::UnknownVersion,
        Self::MissingModel,
        Self::Unwired,
        Self::TimedOut,
        Self::Crashed,
    ];

    /// The word by which it is stored. It never changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Permanent => "permanent",
            Self::Expired => "expired",
            Self::Undecodable => "undecodable",
            Self::UnknownEvent => "unknown_event",
            Self::UnknownListener => "unknown_listener",
            Self::UnknownVersion => "unknown_version",
            Self::MissingModel => "missing_model",
            Self::Unwired => "unwired",
            Self::TimedOut => "timed_out",
            Self::Crashed => "crashed",
        }
    }
}

impl fmt::Display for ParkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str().replace('_', " "))
    }
}

/// A text that is no [`ParkReason`]'s word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reasons are: {}", ParkReason::ALL.map(ParkReason::as_str).join(", "))]
pub struct NotAParkReason;

impl FromStr for ParkReason {
    type Err = NotAParkReason;

    fn from_str(text: &str) -> Result<Self, NotAParkReason> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str() == text);
        found.ok_or(NotAParkReason)
    }
}

#[cfg(test)]
mod tests {
    use super::ParkReason;

    #[test]
    fn its_word_is_that_of_json_and_is_read_again() {
        for reason in ParkReason::ALL {
            let word = reason.as_str();
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, format!("\"{word}\""));
            assert_eq!(serde_json::from_str::<ParkReason>(&json).unwrap(), reason);
            assert_eq!(word.parse(), Ok(reason));
        }
        let error = "tired".parse::<ParkReason>().unwrap_err().to_string();
        assert!(error.ends_with("timed_out, crashed"), "{error}");
    }
}
