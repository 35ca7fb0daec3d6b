//! Integrations as operators see them: also those whose credentials cannot be decrypted.

use super::{Integration, IntegrationError, IntegrationFilter, Integrations, rows};
use crate::store::EncryptionError;

/// An integration, as far as it can be read: see [`Integrations::inspect`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InspectedIntegration {
    /// The record: without the credentials where they cannot be decrypted.
    pub integration: Integration,
    /// Why the credentials cannot be decrypted, though there are some. It tells nothing of them.
    pub credentials_error: Option<EncryptionError>,
}

impl InspectedIntegration {
    /// The whole integration.
    pub(crate) fn whole(self) -> Result<Integration, IntegrationError> {
        match self.credentials_error {
            None => Ok(self.integration),
            Some(error) => Err(error.into()),
        }
    }
}

impl Integrations {
    /// The integration with this id as an operator needs it, who has to see also one whose key is lost or whose
    /// credentials are damaged: that is told beside it. What works with credentials asks for [`find`](Self::find).
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn inspect(&self, id: i64) -> Result<Option<InspectedIntegration>, IntegrationError> {
        let columns = rows::COLUMNS;
        let sql = format!("SELECT {columns} FROM events_integrations WHERE id = $1");
        let row = self.store().read_row(sql, [id.into()]).await?;
        row.map(|row| self.read_inspected(&row)).transpose()
    }

    /// The integrations that fit, in the order of their ids, each as [`inspect`](Self::inspect) gives it.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn inspect_all(
        &self,
        filter: IntegrationFilter,
    ) -> Result<Vec<InspectedIntegration>, IntegrationError> {
        let (sql, values) = filter.statement();
        let rows = self.store().read_rows(sql, values).await?;
        rows.iter().map(|row| self.read_inspected(row)).collect()
    }
}
