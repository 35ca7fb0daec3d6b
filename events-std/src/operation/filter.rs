//! Finding entries of the operation log.

use std::fmt::Write as _;

use super::{IntegrationLog, rows};
use crate::integration::{IntegrationError, Integrations};
use crate::store::{self, StoreError};

/// Which entries of the operation log are listed: the latest 50, unless something else is named.
#[derive(Clone, Debug)]
#[must_use]
pub struct OperationFilter {
    integration: Option<i64>,
    operation: Option<String>,
    status: Option<String>,
    parent: Option<i64>,
    before: Option<i64>,
    limit: u32,
}

impl Default for OperationFilter {
    fn default() -> Self {
        Self {
            integration: None,
            operation: None,
            status: None,
            parent: None,
            before: None,
            limit: 50,
        }
    }
}

impl OperationFilter {
    /// The latest 50.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of the integration with this id.
    pub fn integration(mut self, id: i64) -> Self {
        self.integration = Some(id);
        self
    }

    /// About this operation, as `sync`.
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// With this status, as `failed`.
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// The parts of the operation whose entry has this id.
    pub fn parts_of(mut self, parent: i64) -> Self {
        self.parent = Some(parent);
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
    /// The entries of the operation log that fit, the latest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn operations(
        &self,
        filter: &OperationFilter,
    ) -> Result<Vec<IntegrationLog>, IntegrationError> {
        let mut sql = format!("SELECT {} FROM events_operations", rows::COLUMNS);
        let values = store::wanted(
            &mut sql,
            [
                ("integration_id =", filter.integration.map(Into::into)),
                ("operation =", filter.operation.clone().map(Into::into)),
                ("status =", filter.status.clone().map(Into::into)),
                ("parent_id =", filter.parent.map(Into::into)),
                ("id <", filter.before.map(Into::into)),
            ],
        );
        // A text takes all that is written.
        let _ = write!(sql, " ORDER BY id DESC LIMIT {}", filter.limit);
        let found = self.store().read_rows(sql, values).await?;
        let entries = found.iter().map(rows::read);
        Ok(entries.collect::<Result<_, StoreError>>()?)
    }
}
