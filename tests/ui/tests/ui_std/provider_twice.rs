use events_std::{HealthCheck, CheckFailure, Integration, NoCredentials, NoMetadata, Provider, provider};

#[derive(Default)]
struct Zendesk;

#[provider(HealthCheck, HealthCheck)]
impl Provider for Zendesk {
    const KEY: &'static str = "zendesk";
    const NAME: &'static str = "Zendesk";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

impl HealthCheck for Zendesk {
    async fn check(&self, _: &Integration) -> Result<(), CheckFailure> {
        Ok(())
    }
}

fn main() {}
