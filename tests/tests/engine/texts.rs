//! What is kept of the texts of errors.

use std::sync::Arc;

use events_core::{BoxError, Event, listener};
use events_std::{
    EncryptionKey, Integration, ItemFilter, NewIntegration, NoMetadata, Provider, ScheduledSync,
    SyncError, SyncItemEvent, SyncSession, SyncStart, provider,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::desk::until;
use crate::kit::{Bench, on_both};

/// What it does is the name of its integration.
#[derive(Default)]
struct Leaky(Option<Arc<Semaphore>>);

#[derive(Serialize, Deserialize)]
struct LeakyCredentials {
    token: String,
}

#[provider(ScheduledSync)]
impl Provider for Leaky {
    const KEY: &'static str = "leaky";
    const NAME: &'static str = "Leaky";
    type Credentials = LeakyCredentials;
    type Metadata = NoMetadata;
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "leaky.note.synced", extends(SyncItemEvent))]
struct NoteSynced {
    #[event(model)]
    integration: Integration,
    text: String,
}

impl ScheduledSync for Leaky {
    async fn sync(
        &self,
        integration: &Integration,
        session: &mut SyncSession,
    ) -> Result<(), SyncError> {
        let note = |text: String| NoteSynced {
            integration: integration.clone(),
            text,
        };
        match &*integration.name {
            "sync" => Err(refused(integration)?.into()),
            "large" => {
                for _ in 0..20 {
                    session.dispatch(note("x".repeat(250 * 1024))).await?;
                }
                if let Some(gate) = &self.0 {
                    gate.acquire().await?.forget();
                }
                Ok(())
            }
            name => Ok(session.dispatch(note(name.to_owned())).await?),
        }
    }
}

/// As a client whose errors cite what it sent.
fn refused(integration: &Integration) -> Result<String, BoxError> {
    let token = integration.credentials_of::<Leaky>()?.token;
    Ok(format!("the key {token} was refused"))
}

#[listener(NoteSynced)]
async fn stores(event: &NoteSynced) -> Result<(), BoxError> {
    match &*event.text {
        "item" => Err(refused(&event.integration)?.into()),
        "long" => Err("é".repeat(1_500).into()),
        _ => Ok(()),
    }
}

const CANARY: &str = "canary-93b1e7";

async fn leaky(url: String, name: &str, gate: Option<Arc<Semaphore>>) -> (Bench, i64) {
    let bench = Bench::with(
        url,
        |engine| {
            let engine = engine.provider(Leaky(gate));
            engine.encryption_key(EncryptionKey::from_bytes([1; 32]))
        },
        |events| events.only_linked_in(module_path!()),
    )
    .await;
    let token = CANARY.to_owned();
    let new = NewIntegration::of::<Leaky>(name).credentials(LeakyCredentials { token });
    let id = bench.engine.create(new.unwrap()).await.unwrap().id;
    bench.heard.take();
    (bench, id)
}

async fn a_sync_that_fails_tells_no_credentials(url: String) {
    let (bench, id) = leaky(url, "sync", None).await;
    let start = bench.engine.sync(id).await.unwrap();
    let SyncStart::Failed { run, error } = start else {
        panic!("{start:?}");
    };
    assert_eq!(error, "the key [redacted] was refused");
    let log = bench.engine.find_operation(run.log_id).await.unwrap();
    assert_eq!(log.unwrap().error, Some(error));
    bench.work().await;
    let heard = format!("{:?}", bench.heard.take());
    assert!(heard.contains("the key [redacted] was refused"), "{heard}");
    assert!(!heard.contains(CANARY), "{heard}");
}

async fn an_item_that_fails_tells_no_credentials(url: String) {
    let (bench, id) = leaky(url, "item", None).await;
    let started = bench.engine.run_to_end(id).await.unwrap();
    let run = started.assert_closed();
    let items = ItemFilter::new().run(run.id);
    let items = bench.engine.sync_items(&items).await.unwrap();
    let error = items[0].error.as_deref().unwrap();
    assert!(error.contains("the key [redacted] was refused"), "{error}");
    assert!(!error.contains(CANARY), "{error}");
    bench.work().await;
    let heard = bench.heard.take();
    let told = heard.iter().find(|(name, _)| *name == "sync.item_failed");
    let told = &told.unwrap().1;
    assert!(
        told.contains("[redacted]") && !told.contains(CANARY),
        "{told}"
    );
}

async fn the_text_of_an_items_error_is_cut(url: String) {
    let (bench, id) = leaky(url, "long", None).await;
    let run = bench.engine.run_to_end(id).await.unwrap().assert_closed();
    let items = ItemFilter::new().run(run.id);
    let items = bench.engine.sync_items(&items).await.unwrap();
    let error = items[0].error.as_deref().unwrap();
    assert_eq!(error.chars().count(), 1_000);
    assert!(error.ends_with('é'), "{error}");
}

/// Large items are stored long before there are 500 of them.
async fn items_of_4_mib_are_a_chunk(url: String) {
    let gate = Arc::new(Semaphore::new(0));
    let (bench, id) = leaky(url, "large", Some(gate.clone())).await;
    let engine = bench.engine.clone();
    let syncing = tokio::spawn(async move { engine.sync(id).await });
    until("a chunk is stored", async || {
        bench.count("events_sync_items").await > 0
    })
    .await;
    assert!(bench.count("events_sync_items").await < 20);
    gate.add_permits(1);
    let run = syncing.await.unwrap().unwrap().assert_enumerated();
    assert_eq!(run.enumerated, 20);
}

on_both!(
    a_sync_that_fails_tells_no_credentials,
    an_item_that_fails_tells_no_credentials,
    items_of_4_mib_are_a_chunk,
    the_text_of_an_items_error_is_cut,
);
