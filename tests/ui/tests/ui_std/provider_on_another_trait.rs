use events_std::{Integration, NoCredentials, NoMetadata, Provider, ScheduledSync, SyncError, SyncSession, provider};

#[derive(Default)]
struct Zendesk;

impl Provider for Zendesk {
    const KEY: &'static str = "zendesk";
    const NAME: &'static str = "Zendesk";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

#[provider]
impl ScheduledSync for Zendesk {
    async fn sync(&self, _: &Integration, _: &mut SyncSession) -> Result<(), SyncError> {
        Ok(())
    }
}

fn main() {}
