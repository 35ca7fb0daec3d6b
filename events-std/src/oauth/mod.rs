//! OAuth 2: people connect an integration to its provider, its access token is kept fresh, and the connection is taken
//! back.
//!
//! An adapter's author implements [`OAuth`]; the application mounts [`routes`] and says by an [`Authorizer`] who may
//! connect what. `Integrations::access_token` gives a token that is fresh.

#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod authorize;
#[cfg(feature = "oauth-loopback")]
mod client;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod error;
mod events;
#[cfg(feature = "oauth-loopback")]
mod failure;
#[cfg(feature = "oauth-loopback")]
mod http;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod lease;
#[cfg(feature = "oauth-loopback")]
mod provider;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod query;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod refresh;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod refusal;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod revoke;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod routes;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod session;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod settings;
#[cfg(feature = "oauth-loopback")]
mod standard;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod state;
#[cfg(all(feature = "oauth-loopback", feature = "store"))]
mod status;
#[cfg(feature = "oauth-loopback")]
#[cfg_attr(
    not(feature = "store"),
    allow(dead_code, reason = "the engine reads tokens, and it needs a database")
)]
mod tokens;

pub use events::{OAuthCompleted, OAuthRevoked};
#[cfg(all(feature = "oauth-loopback", feature = "store", feature = "cli"))]
pub(crate) use revoke::Revoked;
// What the compiler proposes to whoever lacks it; the first has the second in it.
#[cfg(any(feature = "oauth", feature = "oauth-loopback"))]
pub use {
    client::OAuthClient,
    failure::ProviderFailure,
    provider::{Authorization, CodeGrant, OAuth, oauth},
    tokens::{RevokedToken, Tokens},
};
#[cfg(all(any(feature = "oauth", feature = "oauth-loopback"), feature = "store"))]
pub use {
    error::OAuthError,
    refresh::AccessToken,
    routes::{Authorizer, OAuthAction, routes},
    settings::{OAuthSettings, RoutesError},
    status::OAuthStatus,
};
