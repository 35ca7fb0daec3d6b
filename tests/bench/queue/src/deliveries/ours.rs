//! The routes that an app mounts.

use axum::Router;
use events_core::{BoxError, Events};
use events_std::webhook::{self, GitHub, Verifier};
use events_std::{
    EncryptionKey, Integration, Integrations, NewIntegration, NoMetadata, Provider, Store,
    Webhooks, provider,
};
use serde::{Deserialize, Serialize};

use super::SECRET;
use crate::Error;

/// The provider's key.
pub const PROVIDER: &str = Hub::KEY;

#[derive(Serialize, Deserialize)]
struct HubCredentials {
    secret: String,
}

struct Hub;

#[provider(Webhooks, instance)]
impl Provider for Hub {
    const KEY: &'static str = "hub";
    const NAME: &'static str = "Hub";
    type Credentials = HubCredentials;
    type Metadata = NoMetadata;
}

impl Webhooks for Hub {
    fn verifier(&self, integration: &Integration) -> Result<impl Verifier, BoxError> {
        Ok(GitHub::new(integration.credentials_of::<Self>()?.secret))
    }
}

/// The routes, and the id of the one integration.
pub async fn router(store: &Store) -> Result<(Router, i64), Error> {
    let engine = Integrations::builder(store)
        .without_linked()
        .encryption_key(EncryptionKey::from_bytes([7; 32]))
        .provider(Hub)
        .build()?;
    let events = Events::builder()
        .only_linked_in("events_std")
        .state(engine.clone())
        .queue(store.queue())
        .build()?;
    let engine = engine.with_events(&events);
    let new = NewIntegration::of::<Hub>("Hub").credentials(HubCredentials {
        secret: SECRET.to_owned(),
    });
    let integration = engine.create(new?).await?;
    Ok((webhook::routes(engine)?, integration.id))
}
