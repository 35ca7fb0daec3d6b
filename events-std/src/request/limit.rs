//! The rate limit of each integration, in this process.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events_core::Events;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::wait::Waiting;
use crate::error::RateLimited;
use crate::integration::{Integration, Integrations, RateLimit};

/// The dispatcher's time, as the limiter was last told it, in nanoseconds since the Unix epoch.
#[derive(Clone, Default)]
struct Told(Arc<AtomicU64>);

impl Clock for Told {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

struct Limiter {
    told: Told,
    limiter: RateLimiter<NotKeyed, InMemoryState, Told, NoOpMiddleware<Duration>>,
}

impl Limiter {
    fn new(limit: RateLimit, now: u64) -> Option<Self> {
        let told = Told::default();
        told.0.store(now, Ordering::Relaxed);
        let quota = Quota::with_period(limit.interval())?;
        let quota = quota.allow_burst(NonZeroU32::new(limit.at_once())?);
        Some(Self {
            limiter: RateLimiter::direct_with_clock(quota, told.clone()),
            told,
        })
    }
}

/// The limiters of all integrations that made requests.
#[derive(Default)]
pub(super) struct Limits(Mutex<HashMap<i64, Limiter>>);

impl Limits {
    /// Counts a request, unless the limit is used up: then, the wait until the next may be made.
    fn take(&self, id: i64, limit: RateLimit, events: &Events) -> Result<(), Duration> {
        let mut limiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: else who comes second could bring the earlier time, as if the clock was set back.
        let now = events.now().timestamp_nanos_opt();
        let now = now.and_then(|now| now.try_into().ok()).unwrap_or_default();
        // A clock that was set back would leave no request until it is where it was.
        let goes_on = |limiter: &Limiter| limiter.told.0.load(Ordering::Relaxed) <= now;
        let limiter = match limiters.remove(&id).filter(goes_on) {
            Some(limiter) => Some(limiter),
            None => Limiter::new(limit, now),
        };
        // A limit always makes a limiter.
        let Some(limiter) = limiter else {
            return Ok(());
        };
        limiter.told.0.store(now, Ordering::Relaxed);
        let checked = limiter.limiter.check();
        limiters.insert(id, limiter);
        checked.map_err(|until| until.wait_time_from(Duration::from_nanos(now)))
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limits(..)")
    }
}

impl Integrations {
    /// Waits until the integration may make another request, but not for longer than the caller's patience.
    pub(super) async fn permit(
        &self,
        integration: &Integration,
        patience: Duration,
    ) -> Result<(), RateLimited> {
        let Some(limit) = self.rate_limit(integration) else {
            return Ok(());
        };
        let (limits, waiting) = (self.part::<Limits>(), self.part::<Waiting>());
        let mut waited = Duration::ZERO;
        while let Err(wait) = limits.take(integration.id, limit, &self.events()) {
            if waited.saturating_add(wait) > patience {
                return Err(RateLimited::retry_after(wait));
            }
            waiting.pass(wait).await;
            waited += wait;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;
    use std::time::Duration;

    use events_core::Events;

    use super::Limits;
    use crate::integration::RateLimit;

    /// By a clock that goes on while calls wait for each other.
    #[test]
    fn calls_at_once_do_not_begin_anew() {
        let events = Events::builder().only_linked_in("nowhere").build();
        let events = events.expect("nothing is linked there");
        let limit = RateLimit::new(10, Duration::from_hours(100)).burst(10);
        let (limits, passed) = (Limits::default(), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let is_permitted = limits.take(1, limit, &events).is_ok();
                        passed.fetch_add(is_permitted.into(), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 10);
    }
}
