//! GitHub as a provider that sends webhooks.

use events_core::BoxError;
use events_std::webhook::{Delivery, GitHub, Verifier};
use events_std::{
    Integration, IntegrationFilter, IntegrationUpdate, Integrations, NewIntegration, NoMetadata,
    Provider, Webhooks, provider,
};
use helpdesk_listeners::Timeline;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SECRET;
use super::input::Happening;
use super::report::Report;
use crate::Error;

/// Which record of the application the integration belongs to.
const OWNER: (&str, &str) = ("example", "github");

#[derive(Serialize, Deserialize)]
pub(super) struct Secrets {
    webhook_secret: String,
}

#[derive(Default)]
pub(super) struct Hub;

#[provider(Webhooks)]
impl Provider for Hub {
    const KEY: &'static str = "github";
    const NAME: &'static str = "GitHub";
    type Credentials = Secrets;
    type Metadata = NoMetadata;
}

impl Webhooks for Hub {
    fn verifier(&self, integration: &Integration) -> Result<impl Verifier, BoxError> {
        Ok(GitHub::new(secret_of(integration)?))
    }

    async fn handle(&self, delivery: Delivery) -> Result<(), BoxError> {
        let events = &delivery.events;
        let happening = Happening::of(delivery.event_type(), delivery.body());
        match happening.dispatch(events).await {
            Err(error) if error.refusal().is_some() => return Err(error.into()),
            // Another attempt would run the listeners again that have succeeded.
            Err(error) => {
                let report = events.state::<Report>().ok_or("there is no report")?;
                let timeline = events.state::<Timeline>().ok_or("there is no timeline")?;
                report.failed(error.failures(), events.now(), timeline);
            }
            Ok(()) => {}
        }
        Ok(())
    }
}

/// The secret in the environment, if there is one.
pub(crate) fn secret_in_environment() -> Option<String> {
    let secret = std::env::var(SECRET).ok();
    secret.filter(|secret| !secret.is_empty())
}

/// The secret with which GitHub signs what it sends to this integration.
pub(crate) fn secret_of(integration: &Integration) -> Result<String, BoxError> {
    Ok(integration.credentials_of::<Hub>()?.webhook_secret)
}

/// The integration of this store: the one of an earlier start, or a new one. It has the secret that is given, else the
/// one that it had, else one made up.
pub(crate) async fn connect(
    integrations: &Integrations,
    secret: Option<String>,
) -> Result<Integration, Error> {
    let (kind, id) = OWNER;
    let before = IntegrationFilter::new()
        .provider(Hub::KEY)
        .owner(kind, id)
        .active(true);
    let found = integrations.list(before).await?.into_iter().next();
    match (found, secret) {
        (Some(found), None) => Ok(found),
        (Some(found), Some(webhook_secret)) => {
            let update = IntegrationUpdate::new().credentials(Secrets { webhook_secret })?;
            Ok(integrations.update(found.id, update).await?)
        }
        (None, secret) => {
            let webhook_secret = secret.unwrap_or_else(made_up);
            let new =
                NewIntegration::of::<Hub>("GitHub").credentials(Secrets { webhook_secret })?;
            Ok(integrations.create(new.owner(kind, id)).await?)
        }
    }
}

fn made_up() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
