//! How well a provider answers, and which failures count against it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::UnknownWord;

/// How well an integration works, by the failures it has had one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// No failures that matter.
    Healthy,
    /// Some failures in a row.
    Degraded,
    /// Many failures in a row.
    Failing,
    /// So many failures in a row that it was switched off. Only an operator switches it on again.
    Disabled,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Disabled => "disabled",
        })
    }
}

impl FromStr for HealthStatus {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Healthy, Self::Degraded, Self::Failing, Self::Disabled];
        UnknownWord::or_one_of(all, word)
    }
}

/// Whose failure it was. Only [`Upstream`](Self::Upstream) counts against the integration's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The provider's: an answer of 5xx but 501, a broken connection, a timeout.
    Upstream,
    /// The provider asks for fewer requests.
    Throttle,
    /// The caller's: the request itself was wrong.
    Client,
    /// Nobody knows.
    Unknown,
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upstream => "upstream",
            Self::Throttle => "throttle",
            Self::Client => "client",
            Self::Unknown => "unknown",
        })
    }
}

impl FromStr for FailureClass {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Upstream, Self::Throttle, Self::Client, Self::Unknown];
        UnknownWord::or_one_of(all, word)
    }
}
