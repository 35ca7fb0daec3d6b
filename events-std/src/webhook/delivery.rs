//! A delivery as a handler gets it.

use events_core::{Attempt, Events};
use serde::de::DeserializeOwned;

use super::IntegrationWebhook;
use crate::integration::Integration;

/// A delivery that was verified and stored, as a handler gets it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// The integration, as it is now.
    pub integration: Integration,
    /// The delivery's row. Its [`provider_delivery_id`](IntegrationWebhook::provider_delivery_id) is the same in every
    /// attempt: what makes a handler's work idempotent.
    pub webhook: IntegrationWebhook,
    /// The attempt; none where an operator replays the delivery.
    pub attempt: Option<Attempt>,
    /// The dispatcher. What is dispatched with it has [`WebhookReceived`](crate::WebhookReceived) as its cause.
    pub events: Events,
}

impl Delivery {
    /// What the provider says has happened.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.webhook.event_type.as_deref()
    }

    /// The body, byte for byte as it was sent.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.webhook.payload
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or does not fit the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.webhook.payload)
    }

    /// Whether an operator replays it.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.attempt.is_none()
    }
}
