//! The integration: its record, its credentials, its health, the events of its life, its provider, and the service that
//! holds them all.

#[cfg(feature = "store")]
mod age;
#[cfg(feature = "store")]
mod apart;
#[cfg(feature = "store")]
mod builder;
#[cfg_attr(
    not(feature = "store"),
    allow(
        dead_code,
        reason = "the engine reads what is registered, and it needs a database"
    )
)]
mod check;
mod credentials;
#[cfg(feature = "store")]
mod due;
#[cfg(feature = "store")]
mod error;
mod events;
#[cfg(feature = "store")]
mod fault;
#[cfg(feature = "store")]
mod filter;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod grant;
mod health;
#[cfg(feature = "store")]
mod inspect;
#[cfg(feature = "store")]
mod lifecycle;
#[cfg(feature = "store")]
mod new;
#[cfg_attr(
    not(feature = "store"),
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
    feature = "store"
))]
mod refusals;
#[cfg(feature = "store")]
mod registry;
#[cfg(feature = "store")]
mod remember;
#[cfg(feature = "store")]
mod rows;
#[cfg(feature = "store")]
mod service;
#[cfg(feature = "store")]
mod within;
#[cfg(feature = "store")]
mod write;

#[cfg(feature = "store")]
pub(crate) use age::{Chore, Retention};
#[cfg(feature = "store")]
pub use builder::IntegrationsBuilder;
#[cfg(feature = "store")]
pub(crate) use check::ErasedHealthCheck;
pub use check::{CheckFailure, HealthCheck, health_check};
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
pub(crate) use credentials::{ACCESS_TOKEN, REFRESH_TOKEN};
pub use credentials::{Credentials, CredentialsError};
#[cfg(feature = "store")]
pub use error::IntegrationError;
pub use events::{
    IntegrationCreated, IntegrationDisabled, IntegrationHealthChanged, IntegrationSynced,
};
#[cfg(feature = "store")]
pub use fault::{StartError, StartFault};
#[cfg(feature = "store")]
pub use filter::IntegrationFilter;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
pub(crate) use grant::Grant;
pub use health::{FailureClass, HealthStatus, HealthThresholds};
#[cfg(feature = "store")]
pub use inspect::InspectedIntegration;
#[cfg(feature = "store")]
pub use new::{IntegrationUpdate, NewIntegration};
pub use provider::{
    Capability, LinkedProvider, NoCredentials, NoMetadata, Provider, RegisteredProvider,
};
pub use rate::RateLimit;
pub use record::{Integration, MetadataError};
#[cfg(feature = "store")]
pub(crate) use remember::Remembered;
#[cfg(feature = "store")]
pub use service::Integrations;
#[cfg(feature = "store")]
pub use within::Within;
