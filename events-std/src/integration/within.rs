//! The writing methods, in a transaction that is open.

use chrono::{DateTime, Utc};
use events_core::Event;
use uuid::Uuid;

use super::{
    Integration, IntegrationCreated, IntegrationError, Integrations, NewIntegration, rows,
};
use crate::store::{self, Tx};

/// The writing methods of [`Integrations`], in a transaction that is open: see [`Integrations::within`].
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

    /// As [`Integrations::create`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn create(self, new: NewIntegration) -> Result<Integration, IntegrationError> {
        let now = store::time(self.now());
        let (owner_type, owner_id) = new.owner.unzip();
        let sql = format!(
            "INSERT INTO events_integrations (uid, provider, name, metadata, sync_interval_minutes, owner_type, owner_id, \
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING {}",
            rows::COLUMNS
        );
        let values = [
            Uuid::now_v7().into(),
            new.provider.into(),
            new.name.into(),
            store::json_or_null(new.metadata.as_ref()),
            new.sync_interval_minutes.map(i64::from).into(),
            owner_type.into(),
            owner_id.into(),
            now,
        ];
        let row = store::row(self.tx, sql, values).await?;
        let row = row.ok_or(sea_orm::DbErr::RecordNotInserted)?;
        let integration = rows::read(&row)?;
        let event = IntegrationCreated { integration };
        self.fire(&event).await?;
        Ok(event.integration)
    }

    /// As [`Integrations::find`], with the row locked until the transaction ends.
    pub(crate) async fn lock(self, id: i64) -> Result<Integration, IntegrationError> {
        let lock = store::for_update(self.tx);
        let sql = format!(
            "SELECT {} FROM events_integrations WHERE id = $1{lock}",
            rows::COLUMNS
        );
        let row = store::row(self.tx, sql, [id.into()]).await?;
        rows::read(&row.ok_or(IntegrationError::NotFound(id))?)
    }
}
