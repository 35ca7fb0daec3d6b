//! What can go wrong with tokens.

use events_core::BoxError;
use sea_orm::DbErr;

use super::ProviderFailure;
use crate::integration::IntegrationError;
use crate::store::StoreError;

/// What can go wrong with the tokens of an integration. It holds none of them.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// The integration could not be read or written, its provider has no `OAuth`, or the database failed.
    #[error(transparent)]
    Integration(#[from] IntegrationError),
    /// The provider does not accept the integration's grant any more: a person has to authorize it anew, which
    /// `needs_authorization` of the integration says too. Trying again does not help: send the person to the route
    /// `/{id}/oauth/authorize`, or store tokens that were got otherwise by [`Integrations::update`].
    ///
    /// [`Integrations::update`]: crate::Integrations::update
    #[error(
        "the integration {0} has to be authorized anew: its provider accepts its grant no more"
    )]
    NeedsAuthorization(i64),
    /// Nobody has authorized the integration, or its authorization was revoked.
    #[error("the integration {0} is not authorized: it has no access token")]
    NotAuthorized(i64),
    /// The access token has expired, or is to be refreshed, and there is no refresh token.
    #[error("the access token of the integration {0} cannot be refreshed: it has no refresh token")]
    NoRefreshToken(i64),
    /// The adapter made no client of the integration.
    #[error("the provider made no OAuth client of the integration: {0}")]
    Client(#[source] BoxError),
    /// The provider did not do it. Trying again later may help.
    #[error(transparent)]
    Provider(#[from] ProviderFailure),
    /// Another worker asked the provider meanwhile, which did not do it. Trying again later may help.
    #[error("another worker's refresh failed: {0}")]
    Elsewhere(String),
    /// The task has a transaction open, which would wait for another company.
    #[error(
        "this task has a transaction open: ask for the token before it begins or after it has ended, so that it never waits for another company"
    )]
    TransactionOpen,
    /// The provider's code panicked.
    #[error("the provider's code panicked")]
    Panicked,
}

crate::error::debug_as_text!(OAuthError);

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::Integration(error.into())
    }
}

impl From<DbErr> for OAuthError {
    fn from(error: DbErr) -> Self {
        Self::Integration(error.into())
    }
}
