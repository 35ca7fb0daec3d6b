//! What can go wrong with stored deliveries, and with the routes before they are mounted.

use sea_orm::DbErr;

use super::WebhookStatus;
use crate::integration::IntegrationError;
use crate::store::StoreError;

/// What can go wrong with stored deliveries.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The integration could not be read or written, or the database failed.
    #[error(transparent)]
    Integration(#[from] IntegrationError),
    /// There is no delivery with this id.
    #[error("there is no webhook {0}")]
    NotFound(i64),
    /// The delivery is not to be queued again.
    #[error(
        "the webhook {id} is {status}: only one that failed, or whose job is gone, can be queued again"
    )]
    NotFailed {
        /// The delivery.
        id: i64,
        /// How it stands.
        status: WebhookStatus,
    },
}

crate::error::debug_as_text!(WebhookError);

impl From<StoreError> for WebhookError {
    fn from(error: StoreError) -> Self {
        Self::Integration(error.into())
    }
}

impl From<DbErr> for WebhookError {
    fn from(error: DbErr) -> Self {
        Self::Integration(error.into())
    }
}

/// Why there are no routes: what they accept would never be processed.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoutesError {
    /// The dispatcher does not have the listener that processes deliveries.
    #[error(
        "the dispatcher of these integrations processes no webhooks: build it with `.state(integrations.clone())`, a \
         queue, and the linked listeners of `events_std`, and give the routes `integrations.with_events(&events)`"
    )]
    NoProcessing,
}

crate::error::debug_as_text!(RoutesError);
