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
