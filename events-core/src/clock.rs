//! Where the time comes from, so that tests never wait for it.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

/// The time source of a dispatcher and its queue.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;
}

/// The operating system's clock: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that stands still until it is moved, for tests.
///
/// ```
/// use chrono::TimeDelta;
/// use events_core::{Clock, ManualClock};
///
/// let clock = ManualClock::default();
/// let before = clock.now();
/// clock.advance(TimeDelta::seconds(30));
/// assert_eq!(clock.now() - before, TimeDelta::seconds(30));
/// ```
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock by `by`.
    pub fn advance(&self, by: TimeDelta) {
        *crate::sync::lock(&self.0) += by;
    }
}

impl Default for ManualClock {
    /// A clock that shows 2026-01-01 00:00 UTC.
    fn default() -> Self {
        Self::new(DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *crate::sync::lock(&self.0)
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> DateTime<Utc> {
        (**self).now()
    }
}
