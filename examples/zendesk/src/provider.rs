//! The provider and what it can do.

use std::time::Duration;

use events_core::BoxError;
use events_std::oauth::OAuthClient;
use events_std::{
    CheckFailure, HealthCheck, Integration, Integrations, OAuth, Provider, ScheduledSync,
    SyncError, SyncSession, provider,
};
use serde::{Deserialize, Serialize};

use crate::client::{From, ZendeskClient, ZendeskError};
use crate::event::ZendeskTicketSynced;

/// Zendesk. All its integrations share the connections of one HTTP client.
#[derive(Clone, Debug, Default)]
pub struct Zendesk {
    http: reqwest::Client,
}

/// What an integration is known by. It is encrypted at rest. The tokens come by OAuth: the engine writes them.
#[derive(Default, Serialize, Deserialize)]
pub struct ZendeskCredentials {
    /// The OAuth client that the account's administrator made for the application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// What lets calls in.
    pub access_token: Option<String>,
    /// What the next one is asked for with.
    pub refresh_token: Option<String>,
    /// When the first expires.
    pub token_expires_at: Option<String>,
    /// What the account's webhook signs with, as Zendesk shows it; nothing is accepted without.
    #[serde(default)]
    pub webhook_secret: String,
}

/// What is kept with an integration besides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ZendeskMetadata {
    /// Where the account is: `https://example.zendesk.com`.
    pub url: String,
}

#[provider(ScheduledSync, HealthCheck, OAuth, Webhooks)]
impl Provider for Zendesk {
    const KEY: &'static str = "zendesk";
    const NAME: &'static str = "Zendesk";
    type Credentials = ZendeskCredentials;
    type Metadata = ZendeskMetadata;
}

impl Zendesk {
    /// The API as one integration sees it: each attempt of a call is recorded, and counts for its health.
    ///
    /// # Errors
    ///
    /// If the metadata of the integration is not what [`Zendesk`] asks for.
    pub fn client<'i>(
        &self,
        integrations: &Integrations,
        integration: &'i Integration,
    ) -> Result<ZendeskClient<'i>, ZendeskError> {
        Ok(ZendeskClient {
            http: self.http.clone(),
            integrations: integrations.clone(),
            integration,
            metadata: integration.metadata_of::<Self>()?,
        })
    }
}

impl OAuth for Zendesk {
    /// Each account has its own server, and its own client of the application.
    fn client(&self, integration: &Integration) -> Result<OAuthClient, BoxError> {
        let ZendeskMetadata { url } = integration.metadata_of::<Self>()?;
        let credentials = integration.credentials_of::<Self>()?;
        let authorize = format!("{url}/oauth/authorizations/new");
        let client = OAuthClient::new(
            credentials.client_id,
            authorize,
            format!("{url}/oauth/tokens"),
        );
        Ok(client
            .secret(credentials.client_secret)
            .secret_in_body()
            .scope("tickets:read")
            .scope("tickets:write")
            .revocation_url(format!("{url}/oauth/revoke")))
    }
}

impl ScheduledSync for Zendesk {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_mins(15))
    }

    /// Pages through the tickets that changed since the last clean run. The cursor of the engine is the time of the
    /// last ticket; Zendesk's own cursor leads from one page to the next.
    async fn sync(
        &self,
        integration: &Integration,
        session: &mut SyncSession,
    ) -> Result<(), SyncError> {
        let zendesk = self.client(&Integrations::current()?, integration)?;
        let mut from = From::Time(session.cursor_as()?.unwrap_or(0));
        loop {
            let page = zendesk.tickets(&from).await?;
            for ticket in page.tickets {
                let item = session.item().external_id(ticket.id);
                let item = item.checkpoint(ticket.generated_timestamp);
                let integration = integration.clone();
                item.dispatch(ZendeskTicketSynced {
                    integration,
                    ticket,
                })
                .await?;
            }
            match page.after_cursor {
                Some(cursor) if !page.end_of_stream => from = From::Cursor(cursor),
                _ => return Ok(()),
            }
        }
    }
}

impl HealthCheck for Zendesk {
    async fn check(&self, integration: &Integration) -> Result<(), CheckFailure> {
        let integrations = Integrations::current()?;
        let zendesk = self.client(&integrations, integration)?;
        let token = integrations.access_token(integration.id).await?;
        zendesk.me(&token).await
    }
}
