//! The capability of a provider to which people connect by OAuth 2.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use events_core::{BoxError, BoxFuture};

use super::{OAuthClient, ProviderFailure, RevokedToken, Tokens};
use crate::integration::{Capability, Integration, Provider};

/// A provider to which people connect by OAuth 2: `#[provider(OAuth)]` registers it. One that follows the standard needs
/// its client's configuration only; others say what they do otherwise.
///
/// The tokens lie among the integration's credentials, as `access_token`, `refresh_token` and `token_expires_at`: all three
/// come and go, so the provider's type has them as `Option`.
///
/// ```
/// use events_core::BoxError;
/// use events_std::oauth::OAuthClient;
/// use events_std::{Integration, NoMetadata, OAuth, Provider, provider};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Credentials {
///     access_token: Option<String>,
///     refresh_token: Option<String>,
///     token_expires_at: Option<String>,
/// }
///
/// struct Zendesk {
///     client_secret: String,
/// }
///
/// #[provider(OAuth, instance)]
/// impl Provider for Zendesk {
///     const KEY: &'static str = "zendesk";
///     const NAME: &'static str = "Zendesk";
///     type Credentials = Credentials;
///     type Metadata = NoMetadata;
/// }
///
/// impl OAuth for Zendesk {
///     fn client(&self, _: &Integration) -> Result<OAuthClient, BoxError> {
///         let at = "https://example.zendesk.com/oauth";
///         Ok(OAuthClient::new("my-app", format!("{at}/authorizations/new"), format!("{at}/tokens"))
///             .secret(&*self.client_secret)
///             .scope("read"))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not connected by OAuth",
    label = "not an `OAuth`",
    note = "implement `events_std::OAuth` for it, or remove `OAuth` from `#[provider(..)]`"
)]
pub trait OAuth: Provider {
    /// The client, and the server's endpoints: for this integration, as where each customer has a server of its own.
    ///
    /// # Errors
    ///
    /// If the integration does not tell enough. Nothing is sent then.
    fn client(&self, integration: &Integration) -> Result<OAuthClient, BoxError>;

    /// Where a person is sent to authorize. It must hold the state, the callback address and the challenge.
    ///
    /// # Errors
    ///
    /// If there is no such address.
    fn authorize_url(
        &self,
        client: &OAuthClient,
        asked: &Authorization,
    ) -> Result<String, ProviderFailure> {
        client.authorize_url(asked)
    }

    /// Exchanges a code for tokens. It is stopped after 40 s.
    ///
    /// # Errors
    ///
    /// If the server does not do it.
    fn exchange(
        &self,
        client: &OAuthClient,
        grant: &CodeGrant,
    ) -> impl Future<Output = Result<Tokens, ProviderFailure>> + Send {
        client.exchange(grant)
    }

    /// Asks for the next access token. It is stopped after 40 s.
    ///
    /// # Errors
    ///
    /// If the server does not do it: [`ProviderFailure::InvalidGrant`] where a person has to authorize anew.
    fn refresh(
        &self,
        client: &OAuthClient,
        refresh_token: &str,
    ) -> impl Future<Output = Result<Tokens, ProviderFailure>> + Send {
        client.refresh(refresh_token)
    }

    /// Revokes a token: the refresh token where there is one. It is stopped after 40 s.
    ///
    /// # Errors
    ///
    /// If the server does not do it. [`ProviderFailure::InvalidGrant`], and the code `invalid_token`, mean that the token is
    /// none any more, which is as good (RFC 7009, 2.2); [`ProviderFailure::NoRevocation`] that the server cannot: the tokens
    /// are removed here all the same.
    fn revoke(
        &self,
        client: &OAuthClient,
        token: &RevokedToken,
    ) -> impl Future<Output = Result<(), ProviderFailure>> + Send {
        client.revoke(token)
    }
}

/// What a request to authorize holds. `Debug` shows nothing of it.
pub struct Authorization {
    pub(super) state: String,
    pub(super) verifier: String,
    pub(super) callback: String,
}

impl Authorization {
    /// The parameter `state`.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The parameter `code_challenge`, whose method is `S256` (RFC 7636).
    #[must_use]
    pub fn challenge(&self) -> String {
        let verifier = oauth2::PkceCodeVerifier::new(self.verifier.clone());
        let challenge = oauth2::PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        challenge.as_str().to_owned()
    }

    /// The parameter `redirect_uri`.
    #[must_use]
    pub fn callback(&self) -> &str {
        &self.callback
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(..)")
    }
}

/// A code that a person's consent gave, and what belongs to it. `Debug` shows nothing of it.
pub struct CodeGrant {
    pub(super) code: String,
    pub(super) verifier: String,
    pub(super) callback: String,
}

impl CodeGrant {
    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The parameter `code_verifier` (RFC 7636).
    #[must_use]
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    /// The parameter `redirect_uri`, the same as in the request to authorize.
    #[must_use]
    pub fn callback(&self) -> &str {
        &self.callback
    }
}

impl fmt::Debug for CodeGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeGrant(..)")
    }
}

/// The provider's code is stopped then: later than one call that [`OAuthClient::send`] makes, and sooner than the lease
/// lapses under which it runs.
const LONGEST: Duration = Duration::from_secs(40);

async fn in_time<T>(
    work: impl Future<Output = Result<T, ProviderFailure>>,
) -> Result<T, ProviderFailure> {
    let ended = tokio::time::timeout(LONGEST, work).await;
    ended.unwrap_or(Err(ProviderFailure::TimedOut))
}

/// [`OAuth`] where the provider's type is not known.
#[cfg_attr(
    not(feature = "store"),
    allow(dead_code, reason = "the engine calls it, and it needs a database")
)]
pub(crate) trait ErasedOAuth: Send + Sync {
    /// As [`OAuth::client`].
    fn client(&self, integration: &Integration) -> Result<OAuthClient, BoxError>;

    /// As [`OAuth::authorize_url`].
    fn authorize_url(
        &self,
        client: &OAuthClient,
        asked: &Authorization,
    ) -> Result<String, ProviderFailure>;

    /// As [`OAuth::exchange`], stopped after [`LONGEST`]; so are the two below.
    fn exchange<'a>(
        &'a self,
        client: &'a OAuthClient,
        grant: &'a CodeGrant,
    ) -> BoxFuture<'a, Result<Tokens, ProviderFailure>>;

    /// As [`OAuth::refresh`].
    fn refresh<'a>(
        &'a self,
        client: &'a OAuthClient,
        refresh_token: &'a str,
    ) -> BoxFuture<'a, Result<Tokens, ProviderFailure>>;

    /// As [`OAuth::revoke`].
    fn revoke<'a>(
        &'a self,
        client: &'a OAuthClient,
        token: &'a RevokedToken,
    ) -> BoxFuture<'a, Result<(), ProviderFailure>>;
}

impl<P: OAuth> ErasedOAuth for P {
    fn client(&self, integration: &Integration) -> Result<OAuthClient, BoxError> {
        OAuth::client(self, integration)
    }

    fn authorize_url(
        &self,
        client: &OAuthClient,
        asked: &Authorization,
    ) -> Result<String, ProviderFailure> {
        OAuth::authorize_url(self, client, asked)
    }

    fn exchange<'a>(
        &'a self,
        client: &'a OAuthClient,
        grant: &'a CodeGrant,
    ) -> BoxFuture<'a, Result<Tokens, ProviderFailure>> {
        Box::pin(in_time(OAuth::exchange(self, client, grant)))
    }

    fn refresh<'a>(
        &'a self,
        client: &'a OAuthClient,
        refresh_token: &'a str,
    ) -> BoxFuture<'a, Result<Tokens, ProviderFailure>> {
        Box::pin(in_time(OAuth::refresh(self, client, refresh_token)))
    }

    fn revoke<'a>(
        &'a self,
        client: &'a OAuthClient,
        token: &'a RevokedToken,
    ) -> BoxFuture<'a, Result<(), ProviderFailure>> {
        Box::pin(in_time(OAuth::revoke(self, client, token)))
    }
}

/// The capability of a provider to which people connect by OAuth 2.
#[must_use]
pub fn oauth<P: OAuth>(provider: &Arc<P>) -> Capability {
    Capability::new::<dyn ErasedOAuth>(provider.clone())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::integration::{NoCredentials, NoMetadata};

    /// Never answers.
    struct Silent;

    impl Provider for Silent {
        const KEY: &'static str = "silent";
        const NAME: &'static str = "Silent";
        type Credentials = NoCredentials;
        type Metadata = NoMetadata;
    }

    impl OAuth for Silent {
        fn client(&self, _: &Integration) -> Result<OAuthClient, BoxError> {
            Err("there is none".into())
        }

        async fn exchange(
            &self,
            _: &OAuthClient,
            _: &CodeGrant,
        ) -> Result<Tokens, ProviderFailure> {
            pending().await
        }

        async fn refresh(&self, _: &OAuthClient, _: &str) -> Result<Tokens, ProviderFailure> {
            pending().await
        }

        async fn revoke(&self, _: &OAuthClient, _: &RevokedToken) -> Result<(), ProviderFailure> {
            pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn code_that_hangs_is_stopped() {
        let client = OAuthClient::new("id", "https://a.example", "https://a.example");
        let grant = CodeGrant {
            code: String::new(),
            verifier: String::new(),
            callback: String::new(),
        };
        let token = RevokedToken::Access(String::new());
        let silent: &dyn ErasedOAuth = &Silent;
        let calls = async {
            [
                silent.exchange(&client, &grant).await.map(drop),
                silent.refresh(&client, "").await.map(drop),
                silent.revoke(&client, &token).await,
            ]
        };
        let ended = tokio::time::timeout(3 * LONGEST + Duration::from_secs(1), calls).await;
        let ended = ended.expect("none goes on");
        for ended in ended {
            assert!(matches!(ended, Err(ProviderFailure::TimedOut)));
        }
    }
}
