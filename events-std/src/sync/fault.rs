//! What can go wrong with runs and items.

use sea_orm::DbErr;

use super::ItemStatus;
use crate::integration::IntegrationError;
use crate::store::StoreError;

/// What can go wrong with sync runs and their items.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SyncRunError {
    /// The integration could not be read or written, or the database failed.
    #[error(transparent)]
    Integration(#[from] IntegrationError),
    /// There is no run with this id.
    #[error("there is no sync run {0}")]
    NoRun(i64),
    /// There is no item with this id.
    #[error("there is no sync item {0}")]
    NoItem(i64),
    /// The item did not fail, so that there is nothing to retry or skip.
    #[error("the sync item {item} is {status}: only one that failed can be retried or skipped")]
    NotFailed {
        /// The item.
        item: i64,
        /// How it stands.
        status: ItemStatus,
    },
}

crate::error::debug_as_text!(SyncRunError);

impl From<StoreError> for SyncRunError {
    fn from(error: StoreError) -> Self {
        Self::Integration(error.into())
    }
}

impl From<DbErr> for SyncRunError {
    fn from(error: DbErr) -> Self {
        Self::Integration(error.into())
    }
}

impl SyncRunError {
    /// Whether it is of one row, which holds what nobody wrote there, rather than of the database.
    pub(super) fn is_of_a_row(&self) -> bool {
        let Self::Integration(IntegrationError::Store(StoreError::Database(error))) = self else {
            return false;
        };
        match error {
            DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => true,
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            DbErr::Query(sea_orm::RuntimeErr::SqlxError(error)) => {
                matches!(**error, sea_orm::sqlx::Error::ColumnDecode { .. })
            }
            _ => false,
        }
    }

    /// As whoever knows nothing of runs is told of it.
    pub(super) fn into_store(self) -> StoreError {
        match self {
            Self::Integration(IntegrationError::Store(error)) => error,
            other => DbErr::Custom(other.to_string()).into(),
        }
    }
}
