//! How long a call waits before its next attempt.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, Utc};
use events_core::BoxFuture;

use crate::integration::IntegrationsBuilder;

/// The wait that is assumed where a provider asks for fewer requests and says no more.
pub(super) const UNSAID: Duration = Duration::from_mins(1);

/// How long a call waits at most before its next attempt, unless it says otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The first wait where the provider says nothing; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// Waits for so long.
type Waits = dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync;

/// How calls wait.
#[derive(Clone)]
pub(super) struct Waiting(Arc<Waits>);

impl Default for Waiting {
    fn default() -> Self {
        Self(Arc::new(|wait| Box::pin(tokio::time::sleep(wait))))
    }
}

impl Waiting {
    pub(super) async fn pass(&self, wait: Duration) {
        if !wait.is_zero() {
            (self.0)(wait).await;
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting(..)")
    }
}

impl IntegrationsBuilder {
    /// How API requests wait before their next attempt, in place of the runtime's timer: for tests, which move their
    /// clock instead.
    ///
    /// ```
    /// # fn build(store: &events_std::Store) -> Result<(), events_std::StartError> {
    /// use std::sync::Arc;
    /// use chrono::TimeDelta;
    /// use events_core::ManualClock;
    /// use events_std::Integrations;
    ///
    /// let clock = Arc::new(ManualClock::default());
    /// let moved = clock.clone();
    /// let integrations = Integrations::builder(store)
    ///     .request_waits(move |wait| {
    ///         moved.advance(TimeDelta::from_std(wait).expect("a short wait"));
    ///         Box::pin(async {})
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request_waits(
        self,
        wait: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.part(Waiting(Arc::new(wait)))
    }
}

/// The waits of a call whose provider says nothing: none longer than its patience.
pub(super) fn backoff(attempts: u32, patience: Duration) -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(FIRST)
        .with_max_delay(patience.max(FIRST))
        .with_max_times(usize::try_from(attempts).unwrap_or(usize::MAX))
        .with_jitter()
        .build()
        .map(move |wait| wait.min(patience))
}

/// The wait that a `Retry-After` asks for: seconds or an HTTP date (RFC 9110, 10.2.3), of which one that has passed asks
/// for none. None: it is neither.
pub(super) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a number holds are as good as for ever.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(
        at.duration_since(SystemTime::from(now))
            .unwrap_or(Duration::ZERO),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    proptest! {
        #[test]
        fn seconds_are_read(seconds in any::<u64>(), now in 0_i64..4_000_000_000, space in " {0,2}") {
            let value = format!("{space}{seconds}{space}");
            prop_assert_eq!(retry_after(&value, at(now)), Some(Duration::from_secs(seconds)));
        }

        /// In any of the three forms of RFC 9110, 5.6.7, of which the second has two digits for the year.
        #[test]
        fn dates_are_read(now in 1_600_000_000_i64..2_000_000_000, wait in -1_000_i64..1_000_000) {
            let date = at(now + wait);
            let wanted = Duration::from_secs(u64::try_from(wait).unwrap_or_default());
            for form in ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"] {
                let value = date.format(form).to_string();
                prop_assert_eq!(retry_after(&value, at(now)), Some(wanted), "{}", value);
            }
        }

        #[test]
        fn anything_else_is_no_wait(value in "[^0-9]{0,40}", now in 0_i64..4_000_000_000) {
            prop_assert_eq!(retry_after(&value, at(now)), None);
        }

        #[test]
        fn no_value_panics(value in ".{0,40}", now in 0_i64..4_000_000_000) {
            let _ = retry_after(&value, at(now));
        }

        #[test]
        fn waits_grow_and_stay_within_the_callers_patience(attempts in 1_u32..20, patience in 0_u64..100_000) {
            let patience = Duration::from_millis(patience);
            let waits: Vec<_> = backoff(attempts, patience).collect();
            prop_assert_eq!(waits.len(), usize::try_from(attempts).unwrap());
            for (wait, doublings) in waits.iter().zip(0..) {
                let least = FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(patience);
                prop_assert!(*wait >= least && *wait <= patience, "{:?}", waits);
            }
        }
    }

    #[test]
    fn more_seconds_than_a_number_holds_are_for_ever() {
        let now = at(0);
        let ever = Some(Duration::from_secs(u64::MAX));
        assert_eq!(retry_after("99999999999999999999999", now), ever);
        for value in ["", "-1", "1.5", "1s", "+1"] {
            assert_eq!(retry_after(value, now), None, "{value}");
        }
    }
}
