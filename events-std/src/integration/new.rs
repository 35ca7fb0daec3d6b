//! An integration that is to be stored.

use serde_json::Value;

/// An integration that is to be stored, for `Integrations::create`.
#[derive(Clone, Debug)]
#[must_use]
pub struct NewIntegration {
    pub(super) provider: String,
    pub(super) name: String,
    pub(super) metadata: Option<Value>,
    pub(super) sync_interval_minutes: Option<u32>,
    pub(super) owner: Option<(String, String)>,
}

impl NewIntegration {
    /// One of the provider with this key.
    pub fn new(provider: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            name: name.into(),
            metadata: None,
            sync_interval_minutes: None,
            owner: None,
        }
    }

    /// The record of the application to which it belongs: its kind, and which of that kind.
    pub fn owner(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.owner = Some((kind.into(), id.into()));
        self
    }

    /// The time from one sync run to the next, in minutes, in place of the provider's default.
    pub fn sync_every(mut self, minutes: u32) -> Self {
        self.sync_interval_minutes = Some(minutes);
        self
    }
}
