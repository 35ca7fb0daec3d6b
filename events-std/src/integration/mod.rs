//! The integration: its record, its credentials, its health, the events of its life, its provider, and the service that
//! holds them all.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod age;
#[cfg(all(
    any(feature = "oauth-loopback", feature = "webhooks"),
    any(feature = "sqlite", feature = "postgres")
))]
mod apart;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod builder;
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    allow(
        dead_code,
        reason = "the engine reads what is registered, and it needs a database"
    )
)]
mod check;
mod credentials;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod due;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod error;
mod events;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod fault;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod filter;
#[cfg(all(
    feature = "oauth-loopback",
    any(feature = "sqlite", feature = "postgres")
))]
mod grant;
mod health;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod inspect;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod lifecycle;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod new;
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    allow(
        dead_code,
        reason = "the engine reads what is registered, and it needs a database"
    )
)]
mod provider;
mod rate;
mod record;
#[cfg(all(
    any(feature = "oauth-loopback", feature = "webhooks"),
    any(feature = "sqlite", feature = "postgres")
))]
mod refusals;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod registry;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod remember;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod service;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod within;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod write;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use age::Retention;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use builder::IntegrationsBuilder;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use check::ErasedHealthCheck;
pub use check::{CheckFailure, HealthCheck, health_check};
pub use credentials::{Credentials, CredentialsError};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use error::IntegrationError;
pub use events::{
    IntegrationCreated, IntegrationDisabled, IntegrationHealthChanged, IntegrationSynced,
};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use fault::{StartError, StartFault};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use filter::IntegrationFilter;
#[cfg(all(
    feature = "oauth-loopback",
    any(feature = "sqlite", feature = "postgres")
))]
pub(crate) use grant::Grant;
pub use health::{FailureClass, HealthStatus, HealthThresholds};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use inspect::InspectedIntegration;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use new::{IntegrationUpdate, NewIntegration};
pub use provider::{
    Capability, LinkedProvider, NoCredentials, NoMetadata, Provider, RegisteredProvider,
};
pub use rate::RateLimit;
pub use record::Integration;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use remember::Remembered;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use service::Integrations;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use within::Within;
