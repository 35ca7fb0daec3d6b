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

/// When failures change an integration's health, and how much longer a troubled one waits for its next sync run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthThresholds {
    /// So many failures in a row make it degraded.
    pub degraded_after: u32,
    /// So many make it failing.
    pub failing_after: u32,
    /// So many switch it off; none: it never is.
    pub disabled_after: Option<u32>,
    /// A degraded one waits so many intervals for its next sync run.
    pub degraded_factor: u32,
    /// A failing one waits so many intervals.
    pub failing_factor: u32,
}

impl Default for HealthThresholds {
    /// Degraded after 5, failing after 20, disabled after 50 failures; 2 and 10 intervals.
    fn default() -> Self {
        Self {
            degraded_after: 5,
            failing_after: 20,
            disabled_after: Some(50),
            degraded_factor: 2,
            failing_factor: 10,
        }
    }
}

impl HealthThresholds {
    /// The status after so many failures in a row.
    #[must_use]
    pub fn status_after(&self, failures: u32, before: HealthStatus) -> HealthStatus {
        if self.disabled_after.is_some_and(|after| failures >= after) {
            HealthStatus::Disabled
        } else if failures >= self.failing_after {
            HealthStatus::Failing
        } else if failures >= self.degraded_after {
            HealthStatus::Degraded
        } else {
            before
        }
    }

    /// How many intervals an integration of this health waits for its next sync run; none: it has none.
    #[must_use]
    pub fn factor(&self, health: HealthStatus) -> Option<u32> {
        match health {
            HealthStatus::Healthy => Some(1),
            HealthStatus::Degraded => Some(self.degraded_factor),
            HealthStatus::Failing => Some(self.failing_factor),
            HealthStatus::Disabled => None,
        }
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

impl FailureClass {
    /// Whose failure an answer with this HTTP status is; none below 400, where it is no failure.
    ///
    /// ```
    /// use events_std::FailureClass;
    ///
    /// assert_eq!(FailureClass::of_status(204), None);
    /// assert_eq!(FailureClass::of_status(404), Some(FailureClass::Client));
    /// assert_eq!(FailureClass::of_status(429), Some(FailureClass::Throttle));
    /// assert_eq!(FailureClass::of_status(503), Some(FailureClass::Upstream));
    /// ```
    #[must_use]
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            0..400 => None,
            429 => Some(Self::Throttle),
            400..500 => Some(Self::Client),
            // Not implemented: no attempt will ever find it.
            501 => Some(Self::Unknown),
            500..600 => Some(Self::Upstream),
            _ => Some(Self::Unknown),
        }
    }
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
