//! What Zendesk tells by itself.

use std::sync::Arc;

use events_core::BoxError;
use events_std::webhook::{self, Delivery, Handlers, Verifier};
use events_std::{Integration, Webhooks};
use serde::Deserialize;

use crate::event::ZendeskTicketStatusChanged;
use crate::provider::Zendesk;

/// What we read of a webhook about a ticket's status.
#[derive(Deserialize)]
struct StatusChanged {
    detail: Detail,
    event: Change,
}

#[derive(Deserialize)]
struct Detail {
    id: String,
}

#[derive(Deserialize)]
struct Change {
    current: String,
}

impl Webhooks for Zendesk {
    fn verifier(&self, integration: &Integration) -> Result<impl Verifier, BoxError> {
        let credentials = integration.credentials_of::<Self>()?;
        Ok(webhook::Zendesk::new(credentials.webhook_secret))
    }

    /// An account can be asked to tell more than this: the rest is ignored.
    fn handlers(&self) -> Handlers<Self> {
        let status_changed = "zen:event-type:ticket.status_changed";
        Handlers::new().on(status_changed, Self::status_changed)
    }
}

impl Zendesk {
    async fn status_changed(self: Arc<Self>, delivery: Delivery) -> Result<(), BoxError> {
        let StatusChanged { detail, event } = delivery.json()?;
        let changed = ZendeskTicketStatusChanged {
            integration: delivery.integration,
            ticket: detail.id.parse()?,
            status: event.current,
        };
        delivery.events.dispatch(&changed).await?;
        Ok(())
    }
}
