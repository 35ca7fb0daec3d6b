//! Webhooks: what a provider sends is verified, stored together with its announcement and its processing job, and
//! processed by the provider's handlers.
//!
//! An adapter's author implements [`Webhooks`] and picks a verifier, of which the usual ones are here:
//! [`GitHub`], [`Stripe`], [`Zendesk`], [`StandardWebhooks`], [`HmacSha256`]. The application mounts [`routes`].

#[cfg(all(feature = "webhooks", feature = "store"))]
mod accept;
#[cfg(feature = "webhooks")]
mod challenge;
#[cfg(feature = "webhooks")]
mod delivery;
#[cfg(all(feature = "webhooks", feature = "store"))]
mod error;
mod events;
#[cfg(feature = "webhooks")]
mod handlers;
#[cfg(all(feature = "webhooks", feature = "store"))]
mod headers;
#[cfg(all(feature = "webhooks", feature = "store"))]
mod operate;
#[cfg(all(feature = "webhooks", feature = "store"))]
mod process;
#[cfg(feature = "webhooks")]
mod provider;
mod record;
#[cfg(all(feature = "webhooks", feature = "store"))]
mod refusal;
#[cfg(feature = "webhooks")]
mod request;
#[cfg(all(feature = "webhooks", feature = "store"))]
mod routes;
#[cfg(all(feature = "webhooks", feature = "store"))]
mod rows;
#[cfg(feature = "webhooks")]
mod verify;

#[cfg(feature = "webhooks")]
pub use challenge::{Answer, Challenge};
#[cfg(feature = "webhooks")]
pub use delivery::Delivery;
pub use events::WebhookReceived;
#[cfg(feature = "webhooks")]
pub use handlers::Handlers;
#[cfg(feature = "webhooks")]
pub use provider::{Webhooks, webhooks};
pub use record::{IntegrationWebhook, WebhookStatus};
#[cfg(feature = "webhooks")]
pub use request::Request;
#[cfg(feature = "webhooks")]
pub use verify::{
    GitHub, HmacSha256, Refused, Signer, StandardWebhooks, Stripe, Verifier, Zendesk,
};
#[cfg(all(feature = "webhooks", feature = "store"))]
pub use {
    error::{RoutesError, WebhookError},
    operate::WebhookFilter,
    routes::routes,
};
// For the testing kit.
#[cfg(all(feature = "webhooks", feature = "sqlite"))]
pub(crate) use {accept::Accepted, routes::receive};
