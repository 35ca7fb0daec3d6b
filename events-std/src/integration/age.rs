//! What is forgotten when it is old.

use std::time::Duration;

use chrono::TimeDelta;

use super::{IntegrationError, Integrations};
use crate::queue::Aging;

impl Integrations {
    /// Forgets rows that are older than they are kept for; how many.
    pub(crate) async fn forget(
        &self,
        rows: &Aging,
        kept: Option<Duration>,
    ) -> Result<u64, IntegrationError> {
        let events = self.events();
        let kept = kept.and_then(|kept| TimeDelta::from_std(kept).ok());
        let Some(before) = kept.and_then(|kept| events.now().checked_sub_signed(kept)) else {
            return Ok(0);
        };
        Ok(rows.forget(self.store(), &events, before).await?)
    }
}
