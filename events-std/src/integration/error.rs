//! What can go wrong with integrations.

use events_core::DispatchError;
use sea_orm::DbErr;

use crate::store::StoreError;

/// What can go wrong with integrations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntegrationError {
    /// The database failed, or the task has a transaction open that the call must be made `within`.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no integration with this id.
    #[error("there is no integration {0}")]
    NotFound(i64),
    /// An event could not be written with the row that it tells of, so that neither was.
    #[error("an event could not be stored with its row: {0}")]
    Dispatch(#[from] DispatchError),
}

impl From<DbErr> for IntegrationError {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}
