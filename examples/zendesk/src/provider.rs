//! The provider and what it can do.

use std::time::Duration;

use events_std::{
    CheckFailure, FailureClass, HealthCheck, Integration, Integrations, Provider, ScheduledSync,
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

/// What an integration is known by. It is encrypted at rest.
#[derive(Serialize, Deserialize)]
pub struct ZendeskCredentials {
    /// The agent's address.
    pub email: String,
    /// The agent's API token.
    pub token: String,
}

/// What is kept with an integration besides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ZendeskMetadata {
    /// Where the account is: `https://example.zendesk.com`.
    pub url: String,
}

#[provider(ScheduledSync, HealthCheck)]
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
    /// If the credentials or the metadata of the integration are not what [`Zendesk`] asks for.
    pub fn client<'i>(
        &self,
        integrations: &Integrations,
        integration: &'i Integration,
    ) -> Result<ZendeskClient<'i>, ZendeskError> {
        Ok(ZendeskClient {
            http: self.http.clone(),
            integrations: integrations.clone(),
            integration,
            credentials: integration.credentials_of::<Self>()?,
            metadata: integration.metadata_of::<Self>()?,
        })
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
        let ours = |error: ZendeskError| CheckFailure::new(FailureClass::Client, error);
        let integrations = Integrations::current().map_err(|error| ours(error.into()))?;
        let zendesk = self.client(&integrations, integration).map_err(ours)?;
        zendesk.me().await
    }
}
