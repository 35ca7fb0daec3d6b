//! What is wrong with an engine is said before it starts; and what a call asks for that no provider has.

use std::sync::{Arc, Mutex};

use events_std::__private::{Capability, RegisteredProvider};
use events_std::{
    EncryptionKey, HealthThresholds, IntegrationError, Integrations, IntegrationsBuilder,
    NewIntegration, NoCredentials, NoMetadata, Provider, Scheduler, SkipReason, StartFault, Store,
    SyncStart,
};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

use crate::desk::{Desk, execute};
use crate::kit::{Bench, Zendesk, listening, on_both};

/// Another provider of Zendesk's key. It is not linked: every engine of this program would refuse to start.
struct Twin;

impl Provider for Twin {
    const KEY: &'static str = "zendesk";
    const NAME: &'static str = "Twin";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

impl RegisteredProvider for Twin {
    fn capabilities(_: &Arc<Self>) -> Vec<Capability> {
        Vec::new()
    }
}

async fn faults(
    url: &str,
    build: impl FnOnce(IntegrationsBuilder) -> IntegrationsBuilder,
) -> Vec<String> {
    let store = Store::connect(url).await.unwrap();
    let error = build(Integrations::builder(&store)).build().unwrap_err();
    let faults: Vec<_> = error.faults().iter().map(ToString::to_string).collect();
    let text = error.to_string();
    assert!(faults.iter().all(|fault| text.contains(fault)), "{text}");
    faults
}

/// A linked provider that the application must make, and did not, is a start-up error.
async fn a_linked_provider_without_a_value_is_named(url: String) {
    let store = Store::connect(&url).await.unwrap();
    let error = Integrations::builder(&store).build().unwrap_err();
    let [StartFault::NoInstance { key, place }] = error.faults() else {
        panic!("{error}");
    };
    assert_eq!(*key, "desk");
    assert!(place.contains("desk.rs:"), "{place}");
    let engine = Integrations::builder(&store).provider(Desk::default());
    let engine = engine.build().unwrap();
    let names: Vec<_> = engine.providers().collect();
    assert!(names.contains(&("desk", "Desk")), "{names:?}");
    assert!(names.contains(&("zendesk", "Zendesk")), "linked: {names:?}");
}

/// A crate of an adapter that nobody names is not linked.
async fn a_provider_that_is_expected_is_missed(url: String) {
    let missing = faults(&url, |engine| {
        engine
            .without_linked()
            .provider(Zendesk)
            .expect_providers(["zendesk", "hubspot"])
    });
    let [fault] = &missing.await[..] else {
        panic!("one");
    };
    assert!(fault.contains("`hubspot`"), "{fault}");
    assert!(fault.contains("use that_crate as _;"), "{fault}");
}

async fn an_interval_that_is_none_is_refused(url: String) {
    let often = Desk::default();
    often.0.lock().unwrap().interval = Some(std::time::Duration::ZERO);
    let refused = faults(&url, |engine| engine.without_linked().provider(often)).await;
    assert_eq!(refused.len(), 1);
    assert!(refused[0].contains("`desk`"), "{refused:?}");

    let bench = Bench::new(url).await;
    let engine = &bench.engine;
    let refused = engine
        .create(NewIntegration::new("zendesk", "Support").sync_every(0))
        .await
        .unwrap_err();
    assert!(matches!(refused, IntegrationError::NoInterval), "{refused}");
    let id = bench.integration().await.id;
    let update = events_std::IntegrationUpdate::new().sync_every(0);
    let refused = engine.update(id, update).await.unwrap_err();
    assert!(matches!(refused, IntegrationError::NoInterval), "{refused}");
}

async fn two_providers_of_one_key_are_both_named(url: String) {
    let by_hand = faults(&url, |engine| {
        engine.without_linked().provider(Zendesk).provider(Twin)
    })
    .await;
    assert_eq!(by_hand.len(), 1, "{by_hand:?}");
    for part in ["`zendesk`", "kit::Zendesk", "start::Twin"] {
        assert!(by_hand[0].contains(part), "{by_hand:?}");
    }
    let linked = faults(&url, |engine| {
        engine.provider(Desk::default()).provider(Twin)
    })
    .await;
    assert_eq!(linked.len(), 1, "{linked:?}");
    assert!(
        linked[0].contains("kit.rs:"),
        "where it is written: {linked:?}"
    );
}

/// All faults at once, so that one start finds them.
async fn all_faults_are_listed_at_once(url: String) {
    let key = |byte| EncryptionKey::from_bytes([byte; 32]);
    let thresholds = HealthThresholds {
        degraded_after: 5,
        failing_after: 5,
        disabled_after: None,
        degraded_factor: 0,
        failing_factor: 10_001,
    };
    let found = faults(&url, |engine| {
        engine
            .without_linked()
            .provider(Zendesk)
            .provider(Twin)
            .health(thresholds)
            .old_encryption_key(key(1))
            .old_encryption_key(key(1))
    })
    .await;
    let expected = [
        "two providers have the key `zendesk`",
        "but they are 5, 5, never",
        "but one is 0",
        "but one is 10001",
        "two encryption keys are the same",
        "no current one",
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (fault, part) in found.iter().zip(expected) {
        assert!(fault.contains(part), "{part} in {fault}");
    }
}

async fn an_integration_of_no_provider_is_refused(url: String) {
    let bench = Bench::new(url).await;
    let error = bench
        .engine
        .create(NewIntegration::new("zendesq", "Support"));
    let error = error.await.unwrap_err();
    assert!(
        matches!(&error, IntegrationError::UnknownProvider(key) if key == "zendesq"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("is the crate of its adapter linked")
    );
    assert_eq!(bench.count("events_integrations").await, 0);
    assert!(bench.heard.names().is_empty());
}

/// An integration whose provider this program does not know, as after a deployment without it, can be read, looked for
/// and changed; it is not synced.
async fn an_integration_of_a_provider_that_left_stays_readable(url: String) {
    let bench = Bench::new(url).await;
    let integration = bench.integration().await;
    execute(
        &bench,
        "UPDATE events_integrations SET provider = 'gone', sync_interval_minutes = 1",
    )
    .await;
    let engine = &bench.engine;
    let stored = bench.stored(&integration).await;
    assert_eq!(stored.provider, "gone");
    assert!(!engine.is_due(&stored, bench.events.now()));
    let update = events_std::IntegrationUpdate::new().name("Old");
    assert_eq!(engine.update(stored.id, update).await.unwrap().name, "Old");
    let skipped = engine.sync(stored.id).await.unwrap();
    assert_eq!(skipped, SyncStart::Skipped(SkipReason::Unable));
}

/// Keeps the providers that warnings name.
#[derive(Clone, Default)]
struct Named(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Named {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::WARN {
            event.record(&mut self.clone());
        }
    }
}

impl Visit for Named {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "provider" {
            self.0.lock().unwrap().push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// As where the crate of its adapter is not linked any more: nothing of it would be synced, without a word.
async fn a_scheduler_warns_once_of_a_provider_that_nobody_knows(url: String) {
    let bench = Bench::new(url).await;
    let id = bench.integration().await.id;
    let left = format!("UPDATE events_integrations SET provider = 'left' WHERE id = {id}");
    execute(&bench, &left).await;
    let off = bench.integration().await.id;
    let off = format!(
        "UPDATE events_integrations SET provider = 'off', is_active = FALSE WHERE id = {off}"
    );
    execute(&bench, &off).await;
    let named = Named::default();
    let _here = tracing::subscriber::set_default(listening(named.clone()));
    for _ in 0..2 {
        Scheduler::new(&bench.engine).run_due().await.unwrap();
    }
    assert_eq!(*named.0.lock().unwrap(), ["left"]);
}

on_both!(
    a_scheduler_warns_once_of_a_provider_that_nobody_knows,
    a_provider_that_is_expected_is_missed,
    an_interval_that_is_none_is_refused,
    a_linked_provider_without_a_value_is_named,
    all_faults_are_listed_at_once,
    an_integration_of_a_provider_that_left_stays_readable,
    an_integration_of_no_provider_is_refused,
    two_providers_of_one_key_are_both_named,
);
