//! Finding requests.

use std::fmt::Write as _;

use super::{IntegrationRequest, rows};
use crate::integration::{IntegrationError, Integrations};
use crate::store::{self, StoreError};

/// Which requests are listed: the latest 50, unless something else is named.
#[derive(Clone, Debug)]
#[must_use]
pub struct RequestFilter {
    integration: Option<i64>,
    success: Option<bool>,
    call: Option<i64>,
    before: Option<i64>,
    limit: u32,
}

impl Default for RequestFilter {
    fn default() -> Self {
        Self {
            integration: None,
            success: None,
            call: None,
            before: None,
            limit: 50,
        }
    }
}

impl RequestFilter {
    /// The latest 50.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of the integration with this id.
    pub fn integration(mut self, id: i64) -> Self {
        self.integration = Some(id);
        self
    }

    /// Those that succeeded, or those that failed.
    pub fn success(mut self, success: bool) -> Self {
        self.success = Some(success);
        self
    }

    /// The retries of the attempt with this id.
    pub fn retries_of(mut self, first: i64) -> Self {
        self.call = Some(first);
        self
    }

    /// With an id below this: the last of the page before.
    pub fn before(mut self, id: i64) -> Self {
        self.before = Some(id);
        self
    }

    /// So many at most.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

impl Integrations {
    /// The requests that fit, the latest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn requests(
        &self,
        filter: &RequestFilter,
    ) -> Result<Vec<IntegrationRequest>, IntegrationError> {
        let mut sql = format!("SELECT {} FROM events_requests", rows::COLUMNS);
        let values = store::wanted(
            &mut sql,
            [
                ("integration_id =", filter.integration.map(Into::into)),
                ("response_success =", filter.success.map(Into::into)),
                ("retry_of =", filter.call.map(Into::into)),
                ("id <", filter.before.map(Into::into)),
            ],
        );
        // A text takes all that is written.
        let _ = write!(sql, " ORDER BY id DESC LIMIT {}", filter.limit);
        let found = self.store().read_rows(sql, values).await?;
        let requests = found.iter().map(rows::read);
        Ok(requests.collect::<Result<_, StoreError>>()?)
    }
}
