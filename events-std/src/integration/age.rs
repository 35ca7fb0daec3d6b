//! What is forgotten when it is old.

use std::marker::PhantomData;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

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

impl Integrations {
    /// From before which time records of this kind may be forgotten; none: they are kept.
    pub(crate) fn forgets_before<T: 'static>(&self) -> Option<DateTime<Utc>> {
        let kept = TimeDelta::from_std(self.part::<Retention<T>>().0?).ok()?;
        self.events().now().checked_sub_signed(kept)
    }

    /// Forgets rows of records of this kind that are older than they are kept for; how many.
    pub(crate) async fn forget<T: 'static>(&self, rows: &Aging) -> Result<u64, IntegrationError> {
        let Some(before) = self.forgets_before::<T>() else {
            return Ok(0);
        };
        Ok(rows.forget(self.store(), &self.events(), before).await?)
    }
}
