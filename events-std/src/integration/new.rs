//! What is to be stored: a new integration, or changes of one.

use serde::Serialize;
use serde_json::Value;

use super::{Credentials, CredentialsError, IntegrationError, Provider};

/// An integration that is to be stored, for [`Integrations::create`](crate::Integrations::create).
#[derive(Clone, Debug)]
#[must_use]
pub struct NewIntegration {
    pub(super) provider: String,
    pub(super) name: String,
    pub(super) credentials: Option<Credentials>,
    pub(super) metadata: Option<Value>,
    pub(super) sync_interval_minutes: Option<u32>,
    pub(super) owner: Option<(String, String)>,
}

impl NewIntegration {
    /// One of this provider.
    pub fn of<P: Provider>(name: impl Into<String>) -> Self {
        Self::new(P::KEY, name)
    }

    /// One of the provider with this key.
    pub fn new(provider: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            name: name.into(),
            credentials: None,
            metadata: None,
            sync_interval_minutes: None,
            owner: None,
        }
    }

    /// What the provider knows it by: a value of the provider's own type. It is encrypted at rest.
    ///
    /// # Errors
    ///
    /// If it is not a struct with named fields, or a map.
    pub fn credentials(mut self, credentials: impl Serialize) -> Result<Self, CredentialsError> {
        self.credentials = Some(Credentials::of(&credentials)?);
        Ok(self)
    }

    /// What the application keeps with it: a value of the provider's own type. It is stored as it is: no secrets.
    ///
    /// # Errors
    ///
    /// If it cannot be serialised.
    pub fn metadata(mut self, metadata: impl Serialize) -> Result<Self, IntegrationError> {
        self.metadata = Some(json(&metadata)?);
        Ok(self)
    }

    /// The record of the application to which it belongs: its kind, and which of that kind.
    pub fn owner(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.owner = Some((kind.into(), id.into()));
        self
    }

    /// The time from one sync run to the next, in minutes, in place of the provider's default: 1 at least.
    pub fn sync_every(mut self, minutes: u32) -> Self {
        self.sync_interval_minutes = Some(minutes);
        self
    }
}

/// Changes of a stored integration, for [`Integrations::update`](crate::Integrations::update). What is not named stays
/// as it is.
#[derive(Clone, Debug, Default)]
#[must_use]
#[expect(
    clippy::option_option,
    reason = "the outer one says whether it changes, the inner one to what"
)]
pub struct IntegrationUpdate {
    pub(super) name: Option<String>,
    pub(super) credentials: Option<Option<Credentials>>,
    pub(super) metadata: Option<Option<Value>>,
    pub(super) sync_interval_minutes: Option<Option<u32>>,
    pub(super) owner: Option<Option<(String, String)>>,
}

impl IntegrationUpdate {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Other credentials, in place of all that are stored: see [`NewIntegration::credentials`].
    ///
    /// What stands in none of them is gone. Who reads credentials, changes one of them and stores all again puts back what
    /// has changed meanwhile: beside a token's refresh that is an old refresh token, which the provider may not accept any
    /// more, so that a person has to authorize anew. Do that while no worker uses the integration, or keep what the
    /// application changes elsewhere.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn credentials(mut self, credentials: impl Serialize) -> Result<Self, CredentialsError> {
        self.credentials = Some(Some(Credentials::of(&credentials)?));
        Ok(self)
    }

    /// No credentials any more.
    pub fn without_credentials(mut self) -> Self {
        self.credentials = Some(None);
        self
    }

    /// Other metadata: see [`NewIntegration::metadata`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn metadata(mut self, metadata: impl Serialize) -> Result<Self, IntegrationError> {
        self.metadata = Some(Some(json(&metadata)?));
        Ok(self)
    }

    /// No metadata any more.
    pub fn without_metadata(mut self) -> Self {
        self.metadata = Some(None);
        self
    }

    /// Another time from one sync run to the next, in minutes, 1 at least; none: the provider's default.
    pub fn sync_every(mut self, minutes: impl Into<Option<u32>>) -> Self {
        self.sync_interval_minutes = Some(minutes.into());
        self
    }

    /// Another owner: its kind, and which of that kind.
    pub fn owner(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.owner = Some(Some((kind.into(), id.into())));
        self
    }

    /// No owner any more.
    pub fn without_owner(mut self) -> Self {
        self.owner = Some(None);
        self
    }
}

fn json(metadata: &impl Serialize) -> Result<Value, IntegrationError> {
    serde_json::to_value(metadata).map_err(|error| IntegrationError::Metadata(error.to_string()))
}
