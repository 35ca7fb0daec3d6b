//! An authorization is taken back: at the provider first, then here.

use super::lease::{self, Lease, Taken};
use super::refresh::Stored;
use super::tokens::{ACCESS_TOKEN, EXPIRES_AT, REFRESH_TOKEN};
use super::{OAuthError, OAuthRevoked, ProviderFailure, RevokedToken};
use crate::integration::{Credentials, Grant, Integration, IntegrationError, Integrations};

/// What a revocation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    Everywhere,
    /// The provider cannot revoke.
    HereAlone,
    /// There were no tokens.
    Nothing,
}

impl Integrations {
    /// Takes the integration's authorization back: asks the provider to revoke it (RFC 7009), removes the access token,
    /// the refresh token and the time of expiry, and nothing else, and fires [`OAuthRevoked`]. Where there are no tokens,
    /// does nothing, and fires nothing.
    ///
    /// It waits for a refresh that is under way. A token that the provider knows no more counts as revoked. Where the
    /// provider has no address to revoke at, the tokens are removed here alone, with a warning: the provider may accept
    /// them on.
    ///
    /// # Errors
    ///
    /// If the provider does not revoke it: nothing is removed then; if the task has a transaction open, or the database
    /// fails.
    pub async fn revoke_authorization(&self, id: i64) -> Result<Integration, OAuthError> {
        let (integration, _) = self.revoke_and_tell(id).await?;
        Ok(integration)
    }

    /// The same, and what came of it.
    pub(crate) async fn revoke_and_tell(
        &self,
        id: i64,
    ) -> Result<(Integration, Revoked), OAuthError> {
        self.refuse_open_transaction()?;
        loop {
            let found = self.find(id).await?;
            let integration = found.ok_or(IntegrationError::NotFound(id))?;
            let stored = Stored::of(&integration);
            self.oauth_of(&integration)?;
            if stored.access.is_none() && stored.refresh.is_none() {
                return Ok((integration, Revoked::Nothing));
            }
            let lease = match Lease::take(self, id).await? {
                Taken::Ours(lease) => lease,
                Taken::Held(fence) => {
                    lease::ended(self, id, fence).await?;
                    continue;
                }
            };
            if let Some(revoked) = self.revoke_apart(lease).await? {
                return Ok(revoked);
            }
        }
    }

    /// Revokes under a lease, in a task of its own: what the provider has revoked is removed here too.
    async fn revoke_apart(
        &self,
        lease: Lease,
    ) -> Result<Option<(Integration, Revoked)>, OAuthError> {
        let engine = self.with_events(&self.events());
        let work = async move {
            let ended = engine.revoke_under(lease).await;
            if ended.is_err() {
                // Others need not wait until it lapses. They try for themselves.
                lease.end(engine.store().writer(), None).await?;
            }
            ended
        };
        let Ok(ended) = self.apart(work).await else {
            lease.end(self.store().writer(), None).await?;
            return Err(OAuthError::Panicked);
        };
        ended
    }

    /// None: the hold was lost, or the tokens were changed meanwhile.
    async fn revoke_under(
        &self,
        lease: Lease,
    ) -> Result<Option<(Integration, Revoked)>, OAuthError> {
        let id = lease.integration_id;
        let found = self.find(id).await?;
        let integration = found.ok_or(IntegrationError::NotFound(id))?;
        let used = Stored::of(&integration);
        let token = match (&used.refresh, &used.access) {
            (Some(token), _) => RevokedToken::Refresh(token.clone()),
            (None, Some(token)) => RevokedToken::Access(token.clone()),
            (None, None) => {
                lease.end(self.store().writer(), None).await?;
                return Ok(Some((integration, Revoked::Nothing)));
            }
        };
        let oauth = self.oauth_of(&integration)?;
        let client = oauth.client(&integration).map_err(OAuthError::Client)?;
        let what = match oauth.revoke(&client, &token).await {
            Ok(()) => Revoked::Everywhere,
            Err(failure) if failure.is_of_dead_token() => Revoked::Everywhere,
            Err(ProviderFailure::NoRevocation) => Revoked::HereAlone,
            Err(failure) => return Err(failure.into()),
        };
        let removed = self.transaction(async |tx| {
            let within = self.within(tx);
            let integration = within.lock(id).await?;
            let stored = Stored::of(&integration);
            let is_same = stored.refresh == used.refresh && stored.access == used.access;
            if !lease.end(tx, None).await? || !is_same {
                return Ok(None);
            }
            let mut credentials = integration
                .credentials
                .as_ref()
                .map_or_else(serde_json::Map::new, |stored| stored.values().clone());
            for name in [ACCESS_TOKEN, REFRESH_TOKEN, EXPIRES_AT] {
                credentials.remove(name);
            }
            let grant = Grant {
                needs_authorization: integration.needs_authorization,
                token_lifetime: None,
            };
            let credentials = Credentials::new(credentials);
            let integration = within
                .set_credentials(&integration, &credentials, grant)
                .await?;
            let event = OAuthRevoked { integration };
            within.fire(&event).await?;
            Ok::<_, OAuthError>(Some((event.integration, what)))
        });
        let removed = removed.await?;
        if let Some((_, Revoked::HereAlone)) = removed {
            tracing::warn!(
                integration = id,
                "an authorization was removed here alone: its provider has no address at which tokens are revoked"
            );
        }
        Ok(removed)
    }
}
