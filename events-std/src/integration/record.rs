//! The record of an integration.

use chrono::{DateTime, Utc};
use events_core::Model;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Credentials, CredentialsError, HealthStatus, Provider};

/// One connection to one provider.
///
/// It holds credentials, so it implements no `Serialize`: an event carries it in a field marked `#[event(model)]`,
/// by its row's id.
///
/// ```
/// use events_std::Integration;
///
/// let integration = Integration { id: 7, ..Integration::new("zendesk", "Support") };
/// assert!(integration.is_active);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Integration {
    /// The row's id; 0 before the insert.
    pub id: i64,
    /// Identifies it before the row has an id: the credentials are bound to it. A version 7 UUID.
    pub uid: Uuid,
    /// The provider's key, as `zendesk`.
    pub provider: String,
    /// What people call it.
    pub name: String,
    /// What the provider knows it by.
    pub credentials: Option<Credentials>,
    /// What the application keeps with it.
    pub metadata: Option<Value>,
    /// Whether it may be used.
    pub is_active: bool,
    /// How well it works.
    pub health_status: HealthStatus,
    /// Failures that count since the last success.
    pub consecutive_failures: u32,
    /// When the last failure that counts was recorded.
    pub last_error_at: Option<DateTime<Utc>>,
    /// When the last clean sync run ended.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// The time from one sync run to the next, in minutes; the provider's default where there is none.
    pub sync_interval_minutes: Option<u32>,
    /// The earliest time of the next sync run.
    pub next_sync_at: Option<DateTime<Utc>>,
    /// Where the next sync run starts.
    pub sync_cursor: Option<Value>,
    /// The kind of record in the application to which it belongs.
    pub owner_type: Option<String>,
    /// Which record of that kind.
    pub owner_id: Option<String>,
    /// Sync runs with failures since the last clean one.
    pub consecutive_sync_failures: u32,
    /// Whether a person has to authorize it again, since the provider accepts the grant of its tokens no more. It ends
    /// with the next authorization, or when credentials with other tokens are stored.
    pub needs_authorization: bool,
    /// When the row was inserted.
    pub created_at: DateTime<Utc>,
    /// When the row was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Integration {
    /// An integration that is not stored: active, healthy, without credentials, counters at 0, everything optional
    /// unset. It has a `uid` of its own; `id` is 0 and both timestamps are the Unix epoch.
    #[must_use]
    pub fn new(provider: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: 0,
            uid: Uuid::now_v7(),
            provider: provider.into(),
            name: name.into(),
            credentials: None,
            metadata: None,
            is_active: true,
            health_status: HealthStatus::Healthy,
            consecutive_failures: 0,
            last_error_at: None,
            last_synced_at: None,
            sync_interval_minutes: None,
            next_sync_at: None,
            sync_cursor: None,
            owner_type: None,
            owner_id: None,
            consecutive_sync_failures: 0,
            needs_authorization: false,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    /// The credentials, as the provider's own type.
    ///
    /// # Errors
    ///
    /// If they do not fit it. The error tells nothing of them.
    pub fn credentials_of<P: Provider>(&self) -> Result<P::Credentials, CredentialsError> {
        match &self.credentials {
            Some(credentials) => credentials.read(),
            None => Credentials::new(Map::new()).read(),
        }
    }

    /// The metadata, as the provider's own type.
    ///
    /// # Errors
    ///
    /// If it does not fit it.
    pub fn metadata_of<P: Provider>(&self) -> Result<P::Metadata, MetadataError> {
        let read = match &self.metadata {
            Some(metadata) => P::Metadata::deserialize(metadata),
            None => P::Metadata::deserialize(&Value::Object(Map::new())),
        };
        read.map_err(|error| MetadataError {
            wanted: std::any::type_name::<P::Metadata>(),
            error,
        })
    }
}

/// Why metadata does not fit.
#[derive(thiserror::Error)]
#[error(
    "the metadata of the integration does not fit `{wanted}`: {error}; `NewIntegration::metadata` or an update gives it"
)]
pub struct MetadataError {
    wanted: &'static str,
    #[source]
    error: serde_json::Error,
}

crate::error::debug_as_text!(MetadataError);

impl Model for Integration {
    const NAME: &'static str = "integration";
    type Key = i64;

    fn key(&self) -> i64 {
        self.id
    }
}
