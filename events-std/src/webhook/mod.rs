//! Webhooks: the event of a delivery that was accepted.

mod events;

pub use events::WebhookReceived;
