//! The integration: its record, its credentials, its health, and the events of its life.

mod credentials;
mod events;
mod health;
mod record;

pub use credentials::Credentials;
pub use events::{
    IntegrationCreated, IntegrationDisabled, IntegrationHealthChanged, IntegrationSynced,
};
pub use health::{FailureClass, HealthStatus};
pub use record::Integration;
