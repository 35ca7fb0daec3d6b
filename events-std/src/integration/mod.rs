//! The integration: its record, its credentials, its health, the events of its life, and the service that holds them.

mod credentials;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod error;
mod events;
mod health;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod new;
mod record;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
#[allow(dead_code, reason = "the rooms above are still being built")]
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod service;
#[allow(dead_code, reason = "the rooms above are still being built")]
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod within;

pub use credentials::Credentials;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use error::IntegrationError;
pub use events::{
    IntegrationCreated, IntegrationDisabled, IntegrationHealthChanged, IntegrationSynced,
};
pub use health::{FailureClass, HealthStatus};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use new::NewIntegration;
pub use record::Integration;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use service::{Integrations, IntegrationsBuilder};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use within::Within;
