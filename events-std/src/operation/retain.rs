//! What is forgotten of the operation log, and when.

use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::Model;

use super::IntegrationLog;
use crate::integration::{Chore, IntegrationError, Integrations, IntegrationsBuilder, Retention};
use crate::queue::Aging;

impl IntegrationsBuilder {
    /// How long entries of the operation log are kept, 30 days unless given; for ever with `None`. One at which an
    /// unfinished job points stays, and so does that of a sync run which is kept.
    pub fn keep_operations_for(self, time: Option<Duration>) -> Self {
        self.part(Retention::<IntegrationLog>::of(time))
    }
}

inventory::submit! {
    Chore {
        order: 1,
        forget: |engine, now| Box::pin(async move { Ok(engine.forget_operations(now).await?) }),
    }
}

impl Integrations {
    /// Forgets entries of the operation log that are older than the retention; how many. Schedulers, requests and the
    /// routes of webhooks do it by themselves, once a minute at most.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn prune_operations(&self) -> Result<u64, IntegrationError> {
        self.forget_operations(self.events().now()).await
    }

    async fn forget_operations(&self, now: DateTime<Utc>) -> Result<u64, IntegrationError> {
        let operations = Aging {
            table: "events_operations",
            model: IntegrationLog::NAME,
            unless: "o.id NOT IN (SELECT log_id FROM events_sync_runs)",
        };
        self.forget::<IntegrationLog>(&operations, now).await
    }
}
