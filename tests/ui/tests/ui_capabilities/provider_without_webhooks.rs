use events_std::{NoCredentials, NoMetadata, Provider, provider};

#[derive(Default)]
struct Zendesk;

#[provider(Webhooks)]
impl Provider for Zendesk {
    const KEY: &'static str = "zendesk";
    const NAME: &'static str = "Zendesk";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

fn main() {}
