//! What can go wrong with integrations.

use events_core::DispatchError;
use sea_orm::DbErr;

use super::{CredentialsError, StartError};
use crate::store::{EncryptionError, StoreError};

/// What can go wrong with integrations. It never holds a secret.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum IntegrationError {
    /// The database failed, or the task has a transaction open that the call must be made `within`.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no integration with this id.
    #[error("there is no integration {0}")]
    NotFound(i64),
    /// No provider with this key is registered.
    #[error(
        "there is no provider `{0}`: is the crate of its adapter linked (`use that_crate as _;`), or is it given to the builder?"
    )]
    UnknownProvider(String),
    /// The current dispatcher holds no service.
    #[error(
        "the current dispatcher holds no `Integrations`: give it to its builder by `.state(..)`, and await what needs it in the dispatcher's `scope`"
    )]
    NoneCurrent,
    /// The provider lacks a capability that the call needs.
    #[error("the provider `{provider}` has no `{capability}`: name it in its `#[provider(..)]`")]
    Incapable {
        /// The provider's key.
        provider: String,
        /// The capability's trait.
        capability: &'static str,
    },
    /// Credentials do not fit the provider's type.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Syncs would follow on each other without any pause.
    #[error(
        "an integration cannot be synced every 0 minutes: 1 is the least, and none is the provider's default"
    )]
    NoInterval,
    /// Metadata does not fit the provider's type, or is no JSON.
    #[error("the metadata does not fit: {0}")]
    Metadata(String),
    /// Credentials cannot be encrypted or decrypted.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// An event could not be written with the row that it tells of, so that neither was.
    #[error("an event could not be stored with its row: {0}")]
    Dispatch(#[from] DispatchError),
    /// The engine cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
}

crate::error::debug_as_text!(IntegrationError);

impl From<DbErr> for IntegrationError {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}
