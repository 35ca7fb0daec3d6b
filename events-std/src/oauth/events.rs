//! The events of authorizations.

use events_core::Event;

use crate::integration::Integration;

/// An integration was authorized.
///
/// Fires when the authorization code was exchanged and the credentials are stored. A token refresh fires nothing.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "oauth.completed", after_commit)]
pub struct OAuthCompleted {
    /// The integration, with its new credentials.
    #[event(model)]
    pub integration: Integration,
}

/// An integration's authorization was taken back.
///
/// Fires when the provider has revoked it, or cannot, and the access token, the refresh token and the time of expiry are removed
/// from the credentials.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "oauth.revoked", after_commit)]
pub struct OAuthRevoked {
    /// The integration, without the three.
    #[event(model)]
    pub integration: Integration,
}
