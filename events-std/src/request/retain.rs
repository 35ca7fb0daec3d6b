//! What is forgotten of requests, and when.

use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::Model;

use super::IntegrationRequest;
use crate::integration::{Chore, IntegrationError, Integrations, IntegrationsBuilder, Retention};
use crate::queue::Aging;

impl IntegrationsBuilder {
    /// How long the records of API requests are kept, 30 days unless given; for ever with `None`. One at which an
    /// unfinished job points stays.
    pub fn keep_requests_for(self, time: Option<Duration>) -> Self {
        self.part(Retention::<IntegrationRequest>::of(time))
    }
}

inventory::submit! {
    Chore {
        order: 1,
        forget: |engine, now| Box::pin(async move { Ok(engine.forget_requests(now).await?) }),
    }
}

impl Integrations {
    /// Forgets requests that are older than the retention; how many. Schedulers, requests and the routes of webhooks do it
    /// by themselves, once a minute at most.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn prune_requests(&self) -> Result<u64, IntegrationError> {
        self.forget_requests(self.events().now()).await
    }

    async fn forget_requests(&self, now: DateTime<Utc>) -> Result<u64, IntegrationError> {
        let requests = Aging {
            table: "events_requests",
            model: IntegrationRequest::NAME,
            unless: "TRUE",
        };
        self.forget::<IntegrationRequest>(&requests, now).await
    }
}
