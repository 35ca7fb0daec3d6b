//! The credentials of an integration are seen nowhere: by no subscriber, in no error and no event, and in no byte of the
//! database.

use std::fmt::Write as _;
use std::sync::Mutex;

use events_core::{AnyEvent, Event, Events, EventsBuilder, State, listener};
use events_std::{
    CheckFailure, EncryptionKey, FailureClass, HealthCheck, Integration, IntegrationHealthChanged,
    IntegrationUpdate, Integrations, NewIntegration, NoMetadata, Provider, ScheduledSync, Store,
    SyncError, SyncItemEvent, SyncSession, SyncStart, Worker, provider,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::{Deserialize, Serialize};

use crate::capture::{self, everything, of_event};
use crate::kit::{Base, on_every_database};

const CANARY: &str = "canary-7c02e5";

/// The name of the secret is none, but a value that does not fit must not be quoted either.
#[derive(Serialize, Deserialize)]
struct VaultCredentials {
    access_token: String,
}

#[derive(Default)]
struct Vault;

#[provider(ScheduledSync, HealthCheck)]
impl Provider for Vault {
    const KEY: &'static str = "vault";
    const NAME: &'static str = "Vault";
    type Credentials = VaultCredentials;
    type Metadata = NoMetadata;
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "vault.box.synced", extends(SyncItemEvent))]
struct BoxSynced {
    #[event(model)]
    integration: Integration,
    number: u64,
}

fn token(integration: &Integration) -> String {
    let credentials = integration.credentials_of::<Vault>();
    credentials.expect("they fit").access_token
}

impl ScheduledSync for Vault {
    async fn sync(
        &self,
        integration: &Integration,
        session: &mut SyncSession,
    ) -> Result<(), SyncError> {
        assert!(token(integration).starts_with(CANARY));
        for number in 1..=2 {
            let integration = integration.clone();
            let item = session.item().external_id(number).checkpoint(number);
            item.dispatch(BoxSynced {
                integration,
                number,
            })
            .await?;
        }
        Ok(())
    }
}

impl HealthCheck for Vault {
    async fn check(&self, integration: &Integration) -> Result<(), CheckFailure> {
        assert!(token(integration).starts_with(CANARY));
        Err(CheckFailure::upstream("away"))
    }
}

#[listener(BoxSynced)]
async fn opens(event: &BoxSynced) -> Result<(), String> {
    assert!(token(&event.integration).starts_with(CANARY));
    match event.number {
        1 => Ok(()),
        number => Err(format!("box {number} is locked")),
    }
}

#[listener(IntegrationHealthChanged, queue, tries = 1)]
async fn fails(event: &IntegrationHealthChanged) -> Result<(), String> {
    assert!(token(&event.integration).starts_with(CANARY));
    Err("nobody is on call".to_owned())
}

/// Everything that events and errors show.
#[derive(Default)]
struct Shown(Mutex<Vec<String>>);

#[listener("*")]
async fn show(event: &dyn AnyEvent, shown: &State<Shown>) {
    let text = format!("{event:?} {event:#?} {:?}", event.payload());
    shown.0.lock().unwrap().push(text);
}

fn engine(store: &Store, key: u8) -> Integrations {
    Integrations::builder(store)
        .without_linked()
        .provider(Vault)
        .encryption_key(EncryptionKey::from_bytes([key; 32]))
        .build()
        .unwrap()
}

/// An error, as it is told, as it is debugged, and all that stands behind it.
fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(source) = next {
        write!(text, " {source} {source:?}").unwrap();
        next = source.source();
    }
    text
}

#[test]
fn credentials_are_seen_nowhere() {
    capture::all();
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let module = |builder: EventsBuilder| builder.only_linked_in(module_path!());
        let service = engine(&store, 1);
        let events = module(Events::builder())
            .state(service.clone())
            .state(Shown::default())
            .queue(store.queue())
            .build()
            .unwrap();
        let integrations = service.with_events(&events);
        let secret = |number: u32| VaultCredentials {
            access_token: format!("{CANARY}-{number}"),
        };
        let new = NewIntegration::of::<Vault>("Vault");
        let new = new.credentials(secret(1)).unwrap().sync_every(1);
        let mut shown = vec![format!("{new:?}")];
        let id = integrations.create(new).await.unwrap().id;
        let update = IntegrationUpdate::new().credentials(secret(2)).unwrap();
        shown.push(format!("{update:?}"));
        let updated = integrations.update(id, update).await.unwrap();
        assert_eq!(token(&updated), format!("{CANARY}-2"));
        shown.push(format!("{updated:?} {integrations:?}"));

        for _ in 0..4 {
            let recorded = integrations.record_failure(id, FailureClass::Upstream);
            recorded.await.unwrap();
        }
        let (degraded, said) = integrations.check_health(id).await.unwrap();
        shown.push(format!(
            "{degraded:?} {}",
            text_of(&*said.unwrap_err().error)
        ));
        let started = integrations.run_to_end(id).await.unwrap();
        assert!(matches!(started, SyncStart::Enumerated(_)), "{started:?}");
        shown.push(format!("{started:?}"));
        Worker::new(&events, &store).drain().await.unwrap();

        // What does not fit, and what cannot be read.
        let wrong = serde_json::json!({"access_token": [CANARY], CANARY: CANARY});
        let update = IntegrationUpdate::new().credentials(&wrong).unwrap();
        let unfit = integrations.update(id, update).await.unwrap_err();
        shown.push(text_of(&unfit));
        let wrong = NewIntegration::of::<Vault>("Vault").credentials(CANARY);
        shown.push(text_of(&wrong.unwrap_err()));
        let other = engine(&store, 2);
        shown.push(text_of(&other.find(id).await.unwrap_err()));
        let rotated = Integrations::builder(&store)
            .without_linked()
            .provider(Vault)
            .encryption_key(EncryptionKey::from_bytes([2; 32]))
            .old_encryption_key(EncryptionKey::from_bytes([1; 32]))
            .build()
            .unwrap();
        assert_eq!(rotated.rotate_credentials().await.unwrap(), 1);
        let found = rotated.find(id).await.unwrap().expect("it is stored");
        assert_eq!(
            token(&found),
            format!("{CANARY}-2"),
            "it was there all the time"
        );

        let seen = events.state::<Shown>().unwrap().0.lock().unwrap().clone();
        for name in [
            "IntegrationCreated",
            "BoxSynced",
            "SyncItemFailed",
            "SyncCompleted",
        ] {
            assert!(seen.iter().any(|text| text.starts_with(name)), "{name}");
        }
        for text in shown.iter().chain(&seen) {
            assert!(!text.contains(CANARY), "{text}");
        }
        search_the_database(&base, &store).await;
    });
    assert!(!of_event("dispatch", "integration.created").is_empty());
    let everything = everything();
    if let Some(at) = everything.find(CANARY) {
        let from = everything.floor_char_boundary(at.saturating_sub(2_000));
        panic!("{}", &everything[from..at + CANARY.len()]);
    }
}

/// Every byte of a SQLite file and of what stands beside it; every column of every row on Postgres.
async fn search_the_database(base: &Base, store: &Store) {
    let mut hex = String::new();
    for byte in CANARY.bytes() {
        write!(hex, "{byte:02x}").unwrap();
    }
    if store.backend() == DbBackend::Sqlite {
        let mut searched = 0;
        for file in std::fs::read_dir(&base.folder).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes
                .windows(CANARY.len())
                .any(|part| part == CANARY.as_bytes());
            assert!(!found, "{}", path.display());
            // What is stored in the open is found in the same way.
            searched += bytes.windows(5).filter(|part| part == b"Vault").count();
        }
        assert!(searched > 0);
        return;
    }
    let rows = async |sql: String| {
        let statement = Statement::from_string(store.backend(), sql);
        let rows = store.reader().query_all_raw(statement).await.unwrap();
        let texts = rows.iter().map(|row| row.try_get_by_index::<String>(0));
        texts.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let mut searched = 0;
    for table in rows(tables.to_owned()).await {
        for row in rows(format!("SELECT t::text FROM {table} AS t")).await {
            assert!(!row.contains(CANARY) && !row.contains(&hex), "{row}");
            searched += row.matches("Vault").count();
        }
    }
    assert!(searched > 0);
}
