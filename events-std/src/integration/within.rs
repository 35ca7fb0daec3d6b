//! The writing methods, in a transaction that is open.

use chrono::{DateTime, Utc};
use events_core::Event;

use super::{InspectedIntegration, Integration, IntegrationError, Integrations, rows};
use crate::store::{self, Tx};

/// The writing methods of [`Integrations`], in a transaction that is open: see [`Integrations::within`].
///
/// Requests, the rotation of credentials, pruning and whole runs are not among them: they have transactions of their own.
///
/// Rows, events and jobs stand or fall with the transaction; inline listeners run after its commit.
#[derive(Clone, Copy, Debug)]
pub struct Within<'t> {
    pub(super) integrations: &'t Integrations,
    pub(super) tx: &'t Tx,
}

impl<'t> Within<'t> {
    /// The service.
    pub(crate) fn integrations(self) -> &'t Integrations {
        self.integrations
    }

    /// The transaction.
    pub(crate) fn tx(self) -> &'t Tx {
        self.tx
    }

    /// The time by the clock of the transaction's dispatcher.
    pub(crate) fn now(self) -> DateTime<Utc> {
        self.tx.events().now()
    }

    /// Fires an event in the transaction that writes its row: an error means that its jobs were not written, so that
    /// the row must not stand either. A listener's failure changes nothing here.
    pub(crate) async fn fire<E: Event<Response = ()> + Clone>(
        self,
        event: &E,
    ) -> Result<(), IntegrationError> {
        match self.tx.dispatch(event).await {
            Err(error) if error.refusal().is_some() => Err(error.into()),
            Err(error) => {
                self.tx.events().tell_failures(error.failures());
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// The integration, whose row stays locked until the transaction ends.
    pub(crate) async fn lock(self, id: i64) -> Result<Integration, IntegrationError> {
        self.lock_inspected(id).await?.whole()
    }

    /// The same of one whose credentials need not be decrypted.
    pub(super) async fn lock_inspected(
        self,
        id: i64,
    ) -> Result<InspectedIntegration, IntegrationError> {
        let lock = store::for_update(self.tx);
        let sql = format!(
            "SELECT {} FROM events_integrations WHERE id = $1{lock}",
            rows::COLUMNS
        );
        let row = store::row(self.tx, sql, [id.into()]).await?;
        self.integrations
            .read_inspected(&row.ok_or(IntegrationError::NotFound(id))?)
    }
}
