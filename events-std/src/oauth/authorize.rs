//! An authorization, from the request of a person to the tokens that are stored.

use std::sync::Arc;

use super::provider::ErasedOAuth;
use super::query::Answered;
use super::refusal::Refusal;
use super::session::{Session, random};
use super::state::new_verifier;
use super::{Authorization, CodeGrant, OAuthCompleted, OAuthError, Tokens};
use crate::integration::{Credentials, Grant, Integration, IntegrationError, Integrations, Within};

impl Integrations {
    /// The capability of the integration's provider.
    pub(super) fn oauth_of(
        &self,
        integration: &Integration,
    ) -> Result<Arc<dyn ErasedOAuth>, IntegrationError> {
        let provider = &integration.provider;
        if !self.providers().any(|(key, _)| key == provider) {
            return Err(IntegrationError::UnknownProvider(provider.clone()));
        }
        let incapable = || IntegrationError::Incapable {
            provider: provider.clone(),
            capability: "OAuth",
        };
        self.capability::<dyn ErasedOAuth>(provider)
            .ok_or_else(incapable)
    }

    /// Where a person of this session is sent to authorize the integration.
    pub(super) async fn begin_authorization(
        &self,
        integration: &Integration,
        session: &Session,
        page: &str,
        callback: String,
    ) -> Result<String, Refusal> {
        let oauth = self.oauth_of(integration)?;
        let client = oauth.client(integration).map_err(OAuthError::Client)?;
        let asked = Authorization {
            state: random(),
            verifier: new_verifier(),
            callback,
        };
        let url = oauth.authorize_url(&client, &asked);
        let url = url.map_err(OAuthError::Provider)?;
        self.store_state(&asked, integration.id, session.hash(), page)
            .await?;
        Ok(url)
    }

    /// Takes the answer of an authorization server: the page to go on to. The state is gone whatever comes of it.
    pub(super) async fn complete_authorization(
        &self,
        answered: Answered,
        session: Option<Session>,
        callback: String,
    ) -> Result<String, Refusal> {
        let state = answered.state.ok_or(Refusal::NoState)?;
        let state = self.take_state(&state).await?;
        let state = state.ok_or(Refusal::UnknownState)?;
        if state.is_expired {
            return Err(Refusal::ExpiredState);
        }
        if session.map(|session| session.hash()) != Some(state.session) {
            return Err(Refusal::ForeignSession);
        }
        let found = self.find(state.integration_id).await?;
        let integration = found.ok_or(Refusal::UnknownIntegration)?;
        let oauth = self.oauth_of(&integration)?;
        let client = oauth.client(&integration).map_err(OAuthError::Client)?;
        // Before anything else of the answer is believed.
        if client.issuer.is_some() && client.issuer != answered.issuer {
            return Err(Refusal::WrongIssuer);
        }
        if let Some(error) = answered.error {
            return Err(Refusal::Denied(error));
        }
        let grant = CodeGrant {
            code: answered.code.ok_or(Refusal::NoCode)?,
            verifier: state.verifier,
            callback,
        };
        let asked_at = self.events().now();
        let exchanged = oauth.exchange(&client, &grant).await;
        let tokens = exchanged.map_err(OAuthError::Provider)?;
        let stored = self.transaction(async |tx| {
            let within = self.within(tx);
            let integration = within
                .store_tokens(integration.id, tokens, asked_at)
                .await?;
            within.fire(&OAuthCompleted { integration }).await
        });
        stored.await?;
        Ok(state.page)
    }
}

impl Within<'_> {
    /// Puts tokens over the credentials that are stored now.
    pub(super) async fn store_tokens(
        self,
        id: i64,
        tokens: Tokens,
        asked_at: chrono::DateTime<chrono::Utc>,
    ) -> Result<Integration, IntegrationError> {
        let integration = self.lock(id).await?;
        let mut credentials = integration
            .credentials
            .as_ref()
            .map_or_else(serde_json::Map::new, |stored| stored.values().clone());
        let grant = Grant {
            needs_authorization: false,
            token_lifetime: tokens.expires_in,
        };
        tokens.merge_into(&mut credentials, asked_at);
        let credentials = Credentials::new(credentials);
        self.fits(&integration.provider, &credentials)?;
        self.set_credentials(&integration, &credentials, grant)
            .await
    }
}
