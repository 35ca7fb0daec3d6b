//! The smallest adapter: a partner drops files into a folder, `0001.txt` and so on, and each becomes an event.
use std::fs;
use std::path::{Path, PathBuf};

use events_core::{Event, Events, listener};
use events_std::{
    Integration, Integrations, NewIntegration, NoCredentials, Provider, ScheduledSync, Store,
    SyncError, SyncItemEvent, SyncSession, provider,
};
use serde::{Deserialize, Serialize};

// From here to the line below: all that the adapter's author writes.

/// A file was dropped.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "drop_folder.file.synced", extends(SyncItemEvent))]
struct FileSynced {
    name: String,
    text: String,
}

#[derive(Default)]
struct DropFolder;

/// What an application tells of each of its folders.
#[derive(Serialize, Deserialize)]
struct Place {
    path: PathBuf,
}

#[provider(ScheduledSync)]
impl Provider for DropFolder {
    const KEY: &'static str = "drop_folder";
    const NAME: &'static str = "Drop folder";
    type Credentials = NoCredentials;
    type Metadata = Place;
}

impl ScheduledSync for DropFolder {
    async fn sync(
        &self,
        integration: &Integration,
        session: &mut SyncSession,
    ) -> Result<(), SyncError> {
        let Place { path } = integration.metadata_of::<Self>()?;
        let last: String = session.cursor_as()?.unwrap_or_default();
        for file in fs::read_dir(&path)? {
            let name = file?.file_name().to_string_lossy().into_owned();
            if name > last {
                let text = fs::read_to_string(path.join(&name))?;
                let item = session.item().external_id(&name).checkpoint(&name);
                item.dispatch(FileSynced { name, text }).await?;
            }
        }
        Ok(())
    }
}

// ---- From here on: an application.

#[listener(FileSynced)]
fn print(event: &FileSynced) {
    println!("{}: {}", event.name, event.text);
}

fn drop_file(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    fs::write(folder.join(name), text)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let store = Store::connect("sqlite::memory:").await?;
    let engine = Integrations::builder(&store).build()?;
    let events = Events::builder()
        .state(engine.clone())
        .queue(store.queue())
        .build()?;
    let integrations = engine.with_events(&events);

    let folder = tempfile::tempdir()?;
    let path = folder.path().to_owned();
    let new = NewIntegration::of::<DropFolder>("The partner's").metadata(Place { path })?;
    let partner = integrations.create(new).await?;

    drop_file(folder.path(), "0001.txt", "two chairs")?;
    drop_file(folder.path(), "0002.txt", "a table")?;
    integrations.run_to_end(partner.id).await?;

    println!("the next run begins where this one ended");
    drop_file(folder.path(), "0003.txt", "a lamp")?;
    integrations.run_to_end(partner.id).await?;
    Ok(folder.close()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integration(path: &Path) -> Integration {
        let mut integration = Integration::new(DropFolder::KEY, "The partner's");
        integration.metadata = Some(serde_json::json!({ "path": path }));
        integration
    }

    /// A session that is captured needs neither a database nor a dispatcher.
    #[tokio::test]
    async fn a_sync_finds_the_files_behind_its_cursor() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("0001.txt", "two chairs"), ("0002.txt", "a table")] {
            drop_file(folder.path(), name, text).unwrap();
        }
        let integration = integration(folder.path());

        let (mut session, items) = SyncSession::capture(Some("0001.txt".into()));
        DropFolder.sync(&integration, &mut session).await.unwrap();

        items.assert_count(1);
        assert_eq!(items.of::<FileSynced>()[0].text, "a table");
        assert_eq!(items.all()[0].checkpoint, Some("0002.txt".into()));
    }

    /// Whole runs, from the files to the listener, on a database in memory.
    #[tokio::test]
    async fn every_file_is_taken_in_once() {
        let folder = tempfile::tempdir().unwrap();
        drop_file(folder.path(), "0001.txt", "two chairs").unwrap();
        drop_file(folder.path(), "0002.txt", "a table").unwrap();
        let engine = Integrations::for_tests().await;
        let path = folder.path().to_owned();
        let new = NewIntegration::of::<DropFolder>("The partner's");
        let new = new.metadata(Place { path }).unwrap();
        let partner = engine.create(new).await.unwrap();

        engine.sync_to_end(partner.id).await.assert_synced(2);

        drop_file(folder.path(), "0003.txt", "a lamp").unwrap();
        let run = engine.sync_to_end(partner.id).await;
        run.assert_synced(1);
        assert_eq!(run.integration.sync_cursor, Some("0003.txt".into()));
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_an_error_that_says_so() {
        let integration = integration(Path::new("/no/such/folder"));
        let (mut session, items) = SyncSession::capture(None);
        let error = DropFolder.sync(&integration, &mut session).await;
        assert!(error.unwrap_err().to_string().contains("No such file"));
        items.assert_count(0);
    }
}
