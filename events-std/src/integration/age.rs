//! What is forgotten when it is old.

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use events_core::{BoxError, BoxFuture};

use super::{IntegrationError, Integrations};
use crate::queue::Aging;

/// How long records of the kind `T` are kept; for ever with `None`.
pub(crate) struct Retention<T>(Option<Duration>, PhantomData<fn() -> T>);

impl<T> Retention<T> {
    pub(crate) fn of(time: Option<Duration>) -> Self {
        Self(time, PhantomData)
    }
}

impl<T> Default for Retention<T> {
    /// 30 days.
    fn default() -> Self {
        Self::of(Some(Duration::from_hours(30 * 24)))
    }
}

/// What a room above forgets when it is old: whoever writes such records has all of it done now and then.
pub(crate) struct Chore {
    /// What keeps records of others is forgotten first: the lowest.
    pub(crate) order: u8,
    /// What it forgets, as of this time.
    pub(crate) forget: fn(Integrations, DateTime<Utc>) -> BoxFuture<'static, Result<u64, BoxError>>,
}

inventory::collect!(Chore);

/// How often a process forgets what is old.
const NOW_AND_THEN: Duration = Duration::from_mins(1);

/// When this process last did.
#[derive(Default)]
struct Forgotten(Mutex<Option<Instant>>);

impl Integrations {
    /// Forgets what is old, in a task of its own, if this process has not just done so.
    pub(crate) fn forget_now_and_then(&self) {
        if self.is_time_to_forget() {
            let (engine, now) = (self.with_events(&self.events()), self.events().now());
            drop(self.apart(async move { engine.forget_old(now).await }));
        }
    }

    /// Whether it is time, which it is not again for a minute.
    pub(crate) fn is_time_to_forget(&self) -> bool {
        let forgotten = self.part::<Forgotten>();
        let mut last = forgotten.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = last.is_none_or(|at| at.elapsed() >= NOW_AND_THEN);
        if is_time {
            *last = Some(Instant::now());
        }
        is_time
    }

    /// Forgets what is old at this time.
    pub(crate) async fn forget_old(&self, now: DateTime<Utc>) {
        let mut chores: Vec<_> = inventory::iter::<Chore>().collect();
        chores.sort_by_key(|chore| chore.order);
        for chore in chores {
            if let Err(error) = (chore.forget)(self.with_events(&self.events()), now).await {
                tracing::error!(%error, "records that are too old could not be forgotten: it will be tried again");
            }
        }
    }

    /// From before which time records of this kind may be forgotten; none: they are kept.
    pub(crate) fn forgets_before<T: 'static>(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let kept = TimeDelta::from_std(self.part::<Retention<T>>().0?).ok()?;
        now.checked_sub_signed(kept)
    }

    /// Forgets rows of records of this kind that are older than they are kept for; how many.
    pub(crate) async fn forget<T: 'static>(
        &self,
        rows: &Aging,
        now: DateTime<Utc>,
    ) -> Result<u64, IntegrationError> {
        let Some(before) = self.forgets_before::<T>(now) else {
            return Ok(0);
        };
        Ok(rows.forget(self.store(), &self.events(), before).await?)
    }
}
