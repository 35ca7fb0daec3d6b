//! The life of an integration: created, found, changed, deleted.

use std::sync::Mutex;

use events_core::{EventsBuilder, State, listener};
use events_std::{Integration, IntegrationCreated, IntegrationError, Integrations, NewIntegration};

use crate::kit::{Bench, Zendesk, on_both};

/// What a queued listener was given.
#[derive(Default)]
struct Given(Mutex<Vec<Integration>>);

#[listener(IntegrationCreated, queue)]
async fn later(event: &IntegrationCreated, given: &State<Given>, integrations: Integrations) {
    // The handle is bound to this very dispatcher, and its reads need no other connection.
    let found = integrations.find(event.integration.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&event.integration));
    given.0.lock().unwrap().push(event.integration.clone());
}

/// Section 2, `IntegrationCreated`: once per insert. Section 1.3: the record is fully populated.
async fn creating_stores_a_row_and_fires(url: String) {
    let bench = Bench::new(url).await;
    let new = NewIntegration::new("zendesk", "Support")
        .owner("team", "7")
        .sync_every(15);
    let created = bench.engine.create(new).await.unwrap();
    assert_eq!((&*created.provider, &*created.name), ("zendesk", "Support"));
    assert_eq!(created.sync_interval_minutes, Some(15));
    assert_eq!(created.owner_type.as_deref(), Some("team"));
    assert_eq!(created.owner_id.as_deref(), Some("7"));
    assert!(created.is_active && created.id > 0);
    assert_eq!(created.created_at, bench.events.now());
    let heard = bench.heard.take();
    let event = IntegrationCreated {
        integration: created.clone(),
    };
    assert_eq!(heard, [("integration.created", format!("{event:?}"))]);
    assert_eq!(bench.stored(&created).await, created);
    assert_eq!(bench.engine.find(created.id + 1).await.unwrap(), None);
}

/// Section 1.1 (better): dropped with the caller's transaction, after its commit otherwise.
async fn creating_within_a_transaction_waits_for_its_end(url: String) {
    let bench = Bench::new(url).await;
    let engine = &bench.engine;
    let store = bench.store.with_events(&bench.events);
    let create = async |fail: bool| {
        store
            .transaction(async |tx| {
                let new = NewIntegration::new("zendesk", "Support");
                let created = engine.within(tx).create(new).await?;
                assert_eq!(
                    engine.find(created.id).await?,
                    Some(created),
                    "it sees its own"
                );
                assert!(bench.heard.names().is_empty());
                if fail {
                    return Err(IntegrationError::NotFound(0));
                }
                Ok(())
            })
            .await
    };
    create(true).await.unwrap_err();
    assert!(bench.heard.names().is_empty());
    assert_eq!(bench.count("events_integrations").await, 0);
    create(false).await.unwrap();
    assert_eq!(bench.heard.names(), ["integration.created"]);
    assert_eq!(bench.count("events_integrations").await, 1);
}

/// Sections 1.3 and 1.4 (better): the job is written with the row, and brings the record by its key.
async fn a_queued_listener_loads_the_record_again(url: String) {
    let listening = |builder: EventsBuilder| {
        builder
            .only_linked_in(module_path!())
            .state(Given::default())
    };
    let bench = Bench::with(url, |engine| engine.provider(Zendesk), listening).await;
    let integration = bench.integration().await;
    assert_eq!(bench.count("events_jobs").await, 1);
    bench.work().await;
    let given = bench.events.state::<Given>().unwrap().0.lock().unwrap();
    assert_eq!(*given, [integration]);
}

on_both!(
    a_queued_listener_loads_the_record_again,
    creating_stores_a_row_and_fires,
    creating_within_a_transaction_waits_for_its_end,
);
