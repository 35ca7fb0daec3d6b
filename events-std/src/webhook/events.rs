//! The events of webhooks.

use events_core::Event;

use crate::integration::Integration;

/// A provider delivered a webhook.
///
/// Fires once for each delivery that was verified and stored: never for one that was rejected or is a duplicate, and
/// not again when its processing is retried, replayed or recovered.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "webhook.received", announced)]
pub struct WebhookReceived {
    /// The integration to which the delivery belongs.
    #[event(model)]
    pub integration: Integration,
    /// The provider's key, as `zendesk`.
    pub provider_key: String,
    /// The provider's id of the delivery; a hash of its body where the provider gives none.
    pub provider_delivery_id: String,
    /// What the provider says has happened, where it says so.
    pub event_type: Option<String>,
}
