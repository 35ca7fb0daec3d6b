//! What is forgotten of requests, and when.

use std::time::Duration;

use events_core::Model;

use super::IntegrationRequest;
use crate::integration::{IntegrationError, Integrations, IntegrationsBuilder};
use crate::queue::Aging;

/// How long requests are kept.
#[derive(Clone, Copy, Debug)]
struct Retention(Option<Duration>);

impl Default for Retention {
    fn default() -> Self {
        Self(Some(Duration::from_hours(30 * 24)))
    }
}

impl IntegrationsBuilder {
    /// How long the records of API requests are kept, 30 days unless given; for ever with `None`. One at which an
    /// unfinished job points stays.
    pub fn keep_requests_for(self, time: Option<Duration>) -> Self {
        self.part(Retention(time))
    }
}

impl Integrations {
    /// Forgets requests that are older than the retention; how many. Schedulers do it by themselves.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn prune_requests(&self) -> Result<u64, IntegrationError> {
        let Retention(kept) = *self.part::<Retention>();
        let requests = Aging {
            table: "events_requests",
            model: IntegrationRequest::NAME,
            unless: "TRUE",
        };
        self.forget(&requests, kept).await
    }
}
