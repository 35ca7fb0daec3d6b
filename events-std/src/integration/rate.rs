//! How many requests a provider takes.

use std::time::Duration;

/// How many API requests one integration may make: evenly in time, and some at once after a rest.
///
/// ```
/// use std::time::Duration;
/// use events_std::RateLimit;
///
/// let limit = RateLimit::per_minute(600);
/// assert_eq!(limit.interval(), Duration::from_millis(100));
/// assert_eq!(limit.at_once(), 60);
/// assert_eq!(limit.burst(1).at_once(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    interval: Duration,
    burst: u32,
}

impl RateLimit {
    /// So many in each period, a tenth of them at once: never more than this and that together in any period. At least
    /// 1 request in a period of at least a microsecond.
    #[must_use]
    pub fn new(requests: u32, period: Duration) -> Self {
        let requests = requests.max(1);
        Self {
            interval: (period / requests).max(Duration::from_micros(1)),
            burst: (requests / 10).max(1),
        }
    }

    /// So many in a second: see [`new`](Self::new).
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        Self::new(requests, Duration::from_secs(1))
    }

    /// So many in a minute: see [`new`](Self::new).
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        Self::new(requests, Duration::from_mins(1))
    }

    /// So many in an hour: see [`new`](Self::new).
    #[must_use]
    pub fn per_hour(requests: u32) -> Self {
        Self::new(requests, Duration::from_hours(1))
    }

    /// So many at once after a rest, at least 1.
    #[must_use]
    pub fn burst(mut self, requests: u32) -> Self {
        self.burst = requests.max(1);
        self
    }

    /// The time from one request to the next.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How many may be made at once after a rest.
    #[must_use]
    pub fn at_once(&self) -> u32 {
        self.burst
    }
}
