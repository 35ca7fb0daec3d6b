use events_std::{NoCredentials, NoMetadata, Provider, provider};

#[derive(Default)]
struct Zendesk<T>(T);

#[provider]
impl<T: Send + Sync + 'static> Provider for Zendesk<T> {
    const KEY: &'static str = "zendesk";
    const NAME: &'static str = "Zendesk";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

fn main() {}
