//! Access tokens that are fresh: of all workers that find one about to expire, one asks the provider, and the others wait
//! for what it gets.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::AfterCommit;
use serde_json::Value;

use super::lease::{self, Lease, Taken};
use super::tokens::{ACCESS_TOKEN, EXPIRES_AT, REFRESH_TOKEN};
use super::{OAuthError, ProviderFailure, Tokens};
use crate::integration::{Integration, IntegrationError, Integrations};
use crate::request::ApiRequest;

/// An access token. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// The token itself, which the caller keeps from sight.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}

/// The three, as they lie among the credentials.
pub(super) struct Stored {
    pub(super) access: Option<String>,
    pub(super) refresh: Option<String>,
    expires_at: Expiry,
}

#[derive(Clone, Copy)]
enum Expiry {
    Never,
    At(DateTime<Utc>),
    /// What is stored is no time.
    Unknown,
}

impl Stored {
    pub(super) fn of(integration: &Integration) -> Self {
        let value = |name| integration.credentials.as_ref()?.get(name);
        let text = |name| value(name)?.as_str().map(str::to_owned);
        Self {
            access: text(ACCESS_TOKEN),
            refresh: text(REFRESH_TOKEN),
            expires_at: match value(EXPIRES_AT) {
                None | Some(Value::Null) => Expiry::Never,
                Some(at) => at
                    .as_str()
                    .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
                    .map_or(Expiry::Unknown, |at| Expiry::At(at.to_utc())),
            },
        }
    }

    /// Whether the access token is good for so long still.
    fn is_good(&self, now: DateTime<Utc>, spare: Duration) -> bool {
        match self.expires_at {
            Expiry::Never => true,
            Expiry::Unknown => false,
            Expiry::At(at) => (at - now).to_std().is_ok_and(|left| left > spare),
        }
    }

    /// Whether the access token need not be refreshed yet, which was good for `lifetime` when it was given.
    fn is_fresh(&self, now: DateTime<Utc>, lifetime: Option<Duration>, spare: Duration) -> bool {
        let half = lifetime.map(|time| time / 2).filter(|half| *half < spare);
        self.is_good(now, half.unwrap_or(spare))
    }

    pub(super) fn expires_at(&self) -> Option<DateTime<Utc>> {
        match self.expires_at {
            Expiry::At(at) => Some(at),
            Expiry::Never | Expiry::Unknown => None,
        }
    }
}

/// Which token will do.
enum Wanted {
    /// One that does not expire soon.
    Fresh,
    /// Another than this.
    Other(String),
}

/// How a refresh ended that this worker made.
enum Refreshed {
    Token(String),
    /// Its hold was lost, or the tokens were changed by somebody else: look again.
    Overtaken,
}

impl Integrations {
    /// The integration's access token, refreshed if it expires within 300 s, or what the
    /// [settings](super::OAuthSettings::refresh_before) say, and half of its life is over. One worker of all processes asks the provider, the others wait
    /// for its result. Fires nothing.
    ///
    /// Where the provider cannot be reached, the token that is stored is given as long as it has not expired.
    ///
    /// # Errors
    ///
    /// [`OAuthError::NeedsAuthorization`] if a person has to authorize the integration anew: the provider is not asked
    /// again. Else if there is no token, it cannot be refreshed, the task has a transaction open, or the database fails.
    pub async fn access_token(&self, id: i64) -> Result<AccessToken, OAuthError> {
        self.obtain(id, Wanted::Fresh).await
    }

    /// As [`access_token`](Self::access_token), but refreshes one that is not about to expire, as where the provider does
    /// not accept it any more.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn refresh_access_token(&self, id: i64) -> Result<AccessToken, OAuthError> {
        let (integration, _) = self.authorized(id).await?;
        let old = Stored::of(&integration)
            .access
            .ok_or(OAuthError::NotAuthorized(id))?;
        self.obtain(id, Wanted::Other(old)).await
    }

    /// Another access token than this one, which the provider has just refused: the one that another worker got
    /// meanwhile, or else a refreshed one. So those who are refused together ask once.
    ///
    /// # Errors
    ///
    /// As [`access_token`](Self::access_token).
    pub async fn replace_access_token(
        &self,
        id: i64,
        refused: &str,
    ) -> Result<AccessToken, OAuthError> {
        self.obtain(id, Wanted::Other(refused.to_owned())).await
    }

    pub(super) fn refuse_open_transaction(&self) -> Result<(), OAuthError> {
        if self.store().is_open_here() || AfterCommit::is_open(&self.events()) {
            return Err(OAuthError::TransactionOpen);
        }
        Ok(())
    }

    /// The integration, if it need not be authorized anew, and how long its access token was good for in the first place.
    async fn authorized(&self, id: i64) -> Result<(Integration, Option<Duration>), OAuthError> {
        let found = self.find_granted(id).await?;
        let (integration, lifetime) = found.ok_or(IntegrationError::NotFound(id))?;
        if integration.needs_authorization {
            return Err(OAuthError::NeedsAuthorization(id));
        }
        Ok((integration, lifetime))
    }

    async fn obtain(&self, id: i64, wanted: Wanted) -> Result<AccessToken, OAuthError> {
        self.refuse_open_transaction()?;
        let mut seen = None;
        loop {
            let (integration, lifetime) = self.authorized(id).await?;
            let stored = Stored::of(&integration);
            let now = self.events().now();
            let access = stored.access.clone().ok_or(OAuthError::NotAuthorized(id))?;
            let will_do = match &wanted {
                Wanted::Fresh => {
                    stored.is_fresh(now, lifetime, self.oauth_settings().refresh_before)
                }
                Wanted::Other(old) => *old != access && stored.is_good(now, Duration::ZERO),
            };
            // What another worker got meanwhile is taken even if it is never good for long.
            let first = seen.get_or_insert_with(|| access.clone());
            let is_adopted = *first != access && stored.is_good(now, Duration::ZERO);
            if will_do || is_adopted {
                return Ok(AccessToken(access));
            }
            if stored.refresh.is_none() {
                let is_of_use =
                    matches!(wanted, Wanted::Fresh) && stored.is_good(now, Duration::ZERO);
                return if is_of_use {
                    Ok(AccessToken(access))
                } else {
                    Err(OAuthError::NoRefreshToken(id))
                };
            }
            let ended = match Lease::take(self, id).await? {
                Taken::Ours(lease) => self.refresh_apart(lease, access.clone()).await,
                Taken::Held(fence) => match lease::ended(self, id, fence).await? {
                    None => Ok(Refreshed::Overtaken),
                    Some(outcome) => {
                        // What the other learnt of the grant stands there.
                        self.authorized(id).await?;
                        Err(OAuthError::Elsewhere(outcome))
                    }
                },
            };
            match ended {
                Ok(Refreshed::Token(token)) => return Ok(AccessToken(token)),
                Ok(Refreshed::Overtaken) => {}
                Err(error @ (OAuthError::Provider(_) | OAuthError::Elsewhere(_)))
                    if matches!(wanted, Wanted::Fresh) =>
                {
                    return self.stored_after(id, error).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The token that is stored now, where the provider failed and it has not expired meanwhile.
    async fn stored_after(&self, id: i64, error: OAuthError) -> Result<AccessToken, OAuthError> {
        let (integration, _) = self.authorized(id).await?;
        let stored = Stored::of(&integration);
        if !stored.is_good(self.events().now(), Duration::ZERO) {
            return Err(error);
        }
        let access = stored.access.ok_or(OAuthError::NotAuthorized(id))?;
        tracing::warn!(integration = id, %error, "an access token could not be refreshed: the old one is used until it expires");
        Ok(AccessToken(access))
    }

    /// Refreshes under a lease, in a task of its own: whoever stops waiting for it loses no token.
    async fn refresh_apart(&self, lease: Lease, seen: String) -> Result<Refreshed, OAuthError> {
        let engine = self.with_events(&self.events());
        let work = async move { engine.refresh_under(lease, &seen).await };
        let Ok(ended) = self.apart(work).await else {
            lease
                .end(self.store().writer(), Some("the provider's code panicked"))
                .await?;
            return Err(OAuthError::Panicked);
        };
        ended
    }

    async fn refresh_under(&self, lease: Lease, seen: &str) -> Result<Refreshed, OAuthError> {
        let id = lease.integration_id;
        let asked_at = self.events().now();
        let (used, asked) = match self.ask_refresh(id, seen).await {
            Ok(Some(asked)) => asked,
            Ok(None) => {
                lease.end(self.store().writer(), None).await?;
                return Ok(Refreshed::Overtaken);
            }
            Err(error) => {
                lease
                    .end(self.store().writer(), Some(&error.to_string()))
                    .await?;
                return Err(error);
            }
        };
        let (tokens, failure) = match asked {
            Ok(tokens) => (Some(tokens), None),
            Err(failure) => (None, Some(failure)),
        };
        let token = tokens.as_ref().map(|tokens| tokens.access_token.clone());
        let outcome = failure.as_ref().map(ToString::to_string);
        let is_over = matches!(failure, Some(ProviderFailure::InvalidGrant));
        let written = self.transaction(async |tx| {
            let within = self.within(tx);
            let stored = Stored::of(&within.lock(id).await?);
            let is_refresh_same = stored.refresh.as_ref() == Some(&used);
            let is_same = is_refresh_same && stored.access.as_deref() == Some(seen);
            // A failure says nothing about tokens that were stored meanwhile.
            let outcome = outcome.as_deref().filter(|_| is_same);
            let is_held = lease.end(tx, outcome).await?;
            // New tokens are the only ones that are still good, even where the hold has lapsed: another worker would be
            // refused with the old ones. So they are lost only to newer ones.
            let counts = match &tokens {
                Some(_) => is_same || (is_held && is_refresh_same),
                None => is_held && is_same,
            };
            if !counts {
                return Ok(false);
            }
            if let Some(tokens) = tokens {
                within.store_tokens(id, tokens, asked_at).await?;
            } else if is_over {
                within.need_authorization(id).await?;
            }
            Ok::<_, IntegrationError>(true)
        });
        let written = match written.await {
            Ok(written) => written,
            Err(error) => {
                lease
                    .end(self.store().writer(), Some(&error.to_string()))
                    .await?;
                return Err(error.into());
            }
        };
        match (token, failure) {
            _ if !written => Ok(Refreshed::Overtaken),
            (_, Some(ProviderFailure::InvalidGrant)) => {
                tracing::warn!(
                    integration = id,
                    "the provider accepts the grant no more: a person has to authorize anew"
                );
                Err(OAuthError::NeedsAuthorization(id))
            }
            (_, Some(failure)) => Err(failure.into()),
            (Some(token), None) => Ok(Refreshed::Token(token)),
            (None, None) => Ok(Refreshed::Overtaken),
        }
    }

    /// Asks the provider, unless somebody else was faster: the refresh token that was used, and what came of it.
    async fn ask_refresh(
        &self,
        id: i64,
        seen: &str,
    ) -> Result<Option<(String, Result<Tokens, ProviderFailure>)>, OAuthError> {
        let (integration, _) = self.authorized(id).await?;
        let stored = Stored::of(&integration);
        let (Some(access), Some(refresh)) = (stored.access, stored.refresh) else {
            return Ok(None);
        };
        if access != seen {
            return Ok(None);
        }
        let oauth = self.oauth_of(&integration)?;
        let client = oauth.client(&integration).map_err(OAuthError::Client)?;
        let asked = oauth.refresh(&client, &refresh).await;
        Ok(Some((refresh, asked)))
    }
}

impl ApiRequest<'_> {
    /// Gives each attempt the integration's access token, refreshed if it is about to expire:
    /// [`RequestAttempt::access_token`](crate::RequestAttempt::access_token). The record never has it.
    ///
    /// ```no_run
    /// # async fn run(
    /// #     integrations: events_std::Integrations,
    /// #     integration: events_std::Integration,
    /// #     get: impl AsyncFn(&str, Option<&str>) -> Result<http::Response<Vec<u8>>, std::io::Error>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let page = integrations
    ///     .request(&integration, "/api/v2/tickets", "GET")
    ///     .authorized()
    ///     .await?
    ///     .send(async |attempt| get(attempt.endpoint(), attempt.access_token()).await)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Integrations::access_token`].
    pub async fn authorized(self) -> Result<Self, OAuthError> {
        let token = self.engine().access_token(self.integration().id).await?;
        Ok(self.with_access_token(token.0))
    }
}
