//! GitHub as a provider that sends webhooks.

use events_core::BoxError;
use events_std::webhook::{Delivery, GitHub, Verifier};
use events_std::{
    Integration, IntegrationFilter, IntegrationUpdate, Integrations, NewIntegration, NoMetadata,
    Provider, Webhooks, provider,
};
use serde::{Deserialize, Serialize};

use crate::{Error, deliveries};

/// Which record of the application the integration belongs to.
const OWNER: (&str, &str) = ("example", "serve");

#[derive(Serialize, Deserialize)]
struct Secrets {
    webhook_secret: String,
}

#[derive(Default)]
struct Hub;

#[provider(Webhooks)]
impl Provider for Hub {
    const KEY: &'static str = "github";
    const NAME: &'static str = "GitHub";
    type Credentials = Secrets;
    type Metadata = NoMetadata;
}

impl Webhooks for Hub {
    fn verifier(&self, integration: &Integration) -> Result<impl Verifier, BoxError> {
        let secrets: Secrets = integration.credentials_of::<Self>()?;
        Ok(GitHub::new(secrets.webhook_secret))
    }

    async fn handle(&self, delivery: Delivery) -> Result<(), BoxError> {
        let kind = delivery.event_type().ok_or("it has no `x-github-event`")?;
        let event = deliveries::Delivery::of(kind.to_owned(), delivery.body())?;
        match event.dispatch(&delivery.events).await {
            Err(error) if error.refusal().is_some() => Err(error.into()),
            // Another attempt would run the listeners again that have succeeded.
            Err(error) => {
                eprintln!("{error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// The integration, with this secret: that of an earlier start, or a new one.
pub(super) async fn connect(
    integrations: &Integrations,
    webhook_secret: String,
) -> Result<Integration, Error> {
    let (kind, id) = OWNER;
    let before = IntegrationFilter::new()
        .provider(Hub::KEY)
        .owner(kind, id)
        .active(true);
    let secrets = Secrets { webhook_secret };
    if let Some(found) = integrations.list(before).await?.first() {
        let update = IntegrationUpdate::new().credentials(secrets)?;
        return Ok(integrations.update(found.id, update).await?);
    }
    let new = NewIntegration::of::<Hub>("GitHub").credentials(secrets)?;
    Ok(integrations.create(new.owner(kind, id)).await?)
}
