//! The life of an integration: created, found, changed, deleted.

use std::sync::Mutex;

use chrono::TimeDelta;
use events_core::{EventsBuilder, State, listener};
use events_std::{
    Direction, FailureClass, HealthStatus, HealthThresholds, Integration, IntegrationCreated,
    IntegrationError, IntegrationFilter, IntegrationLog, IntegrationUpdate, Integrations,
    NewIntegration,
};
use serde_json::json;

use crate::kit::{Bench, Zendesk, ZendeskCredentials, ZendeskMetadata, on_both};

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

/// Section 2, `IntegrationCreated`: never on update. What an update does not name stays as it is.
async fn an_update_changes_what_it_names_and_fires_nothing(url: String) {
    let bench = Bench::new(url).await;
    let engine = &bench.engine;
    let new = NewIntegration::of::<Zendesk>("Support")
        .owner("team", "7")
        .sync_every(15)
        .metadata(ZendeskMetadata {
            brand: "acme".into(),
        })
        .unwrap()
        .credentials(ZendeskCredentials {
            token: "hush".into(),
        })
        .unwrap();
    let before = engine.create(new).await.unwrap();
    bench.heard.take();
    bench.clock.advance(TimeDelta::seconds(1));
    let now = bench.events.now();
    let same = engine
        .update(before.id, IntegrationUpdate::new())
        .await
        .unwrap();
    let expected = Integration {
        updated_at: now,
        ..before.clone()
    };
    assert_eq!(same, expected);
    let update = IntegrationUpdate::new()
        .name("Sales")
        .owner("shop", "8")
        .sync_every(20)
        .metadata(ZendeskMetadata { brand: "b".into() })
        .unwrap()
        .credentials(ZendeskCredentials {
            token: "new".into(),
        })
        .unwrap();
    let changed = engine.update(before.id, update).await.unwrap();
    assert_eq!(changed.credentials_of::<Zendesk>().unwrap().token, "new");
    let expected = Integration {
        name: "Sales".into(),
        owner_type: Some("shop".into()),
        owner_id: Some("8".into()),
        sync_interval_minutes: Some(20),
        metadata: Some(json!({"brand": "b"})),
        credentials: changed.credentials.clone(),
        ..expected
    };
    assert_eq!(changed, expected);
    assert_eq!(bench.stored(&before).await, changed);
    let update = IntegrationUpdate::new()
        .without_owner()
        .sync_every(None)
        .without_metadata()
        .without_credentials();
    let bare = engine.update(before.id, update).await.unwrap();
    let expected = Integration {
        owner_type: None,
        owner_id: None,
        sync_interval_minutes: None,
        metadata: None,
        credentials: None,
        ..expected
    };
    assert_eq!(bare, expected);
    assert_eq!(bench.stored(&before).await, bare);
    assert!(bench.heard.names().is_empty());
    let missing = engine.update(99, IntegrationUpdate::new()).await;
    assert!(matches!(missing, Err(IntegrationError::NotFound(99))));
}

/// Another interval counts from the last run on, but not while failures keep the next one away.
async fn another_interval_moves_the_next_run(url: String) {
    let bench = Bench::new(url).await;
    let engine = &bench.engine;
    let new = NewIntegration::of::<Zendesk>("Support").sync_every(60);
    let id = engine.create(new).await.unwrap().id;
    let synced = engine
        .mark_synced(id)
        .await
        .unwrap()
        .last_synced_at
        .unwrap();
    bench.clock.advance(TimeDelta::minutes(1));
    let every = |minutes: Option<u32>| IntegrationUpdate::new().sync_every(minutes);
    let sooner = engine.update(id, every(Some(5))).await.unwrap();
    assert_eq!(sooner.next_sync_at, Some(synced + TimeDelta::minutes(5)));
    let never = engine.update(id, every(None)).await.unwrap();
    assert_eq!(never.next_sync_at, None);
}

/// What does not fit the provider's own types is refused, and leaves the row as it is.
async fn what_does_not_fit_the_provider_is_refused(url: String) {
    let bench = Bench::new(url).await;
    let engine = &bench.engine;
    let integration = bench.integration().await;
    let new = || NewIntegration::of::<Zendesk>("Other");
    let metadata = json!({"brand": 7});
    let credentials = json!({"token": ["hush"]});
    let error = engine.create(new().metadata(&metadata).unwrap()).await;
    assert!(
        matches!(error, Err(IntegrationError::Metadata(_))),
        "{error:?}"
    );
    let error = engine
        .create(new().credentials(&credentials).unwrap())
        .await;
    assert!(
        matches!(error, Err(IntegrationError::Credentials(_))),
        "{error:?}"
    );
    let update = IntegrationUpdate::new().credentials(&credentials).unwrap();
    let error = engine.update(integration.id, update).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("Zendesk") && !text.contains("hush"), "{text}");
    assert!(new().credentials("hush").is_err(), "it is no map");
    assert_eq!(bench.count("events_integrations").await, 1);
    assert_eq!(bench.stored(&integration).await, integration);
    assert!(bench.heard.names().is_empty());
}

async fn integrations_are_listed_by_owner_provider_and_health(url: String) {
    let quick = HealthThresholds {
        degraded_after: 1,
        failing_after: 2,
        disabled_after: Some(3),
        ..HealthThresholds::default()
    };
    let bench = Bench::with(
        url,
        |engine| {
            engine
                .provider(Zendesk)
                .provider(crate::desk::Desk::default())
                .health(quick)
        },
        |events| events,
    )
    .await;
    let engine = &bench.engine;
    let mut ids = Vec::new();
    for (provider, owner, failures) in [
        ("zendesk", Some(("team", "7")), 0),
        ("zendesk", Some(("team", "8")), 1),
        ("desk", Some(("team", "7")), 2),
        ("desk", Some(("shop", "7")), 3),
        ("desk", None, 0),
    ] {
        let mut new = NewIntegration::new(provider, "Support");
        if let Some((kind, id)) = owner {
            new = new.owner(kind, id);
        }
        let id = engine.create(new).await.unwrap().id;
        for _ in 0..failures {
            let recorded = engine.record_failure(id, FailureClass::Upstream).await;
            recorded.unwrap();
        }
        ids.push(id);
    }
    let all = IntegrationFilter::new;
    for (filter, expected) in [
        (all(), vec![0, 1, 2, 3, 4]),
        (all().provider("zendesk"), vec![0, 1]),
        (all().provider("none"), vec![]),
        (all().owner("team", "7"), vec![0, 2]),
        (all().owner("shop", "7"), vec![3]),
        (all().health(HealthStatus::Healthy), vec![0, 4]),
        (all().health(HealthStatus::Degraded), vec![1]),
        (all().health(HealthStatus::Failing), vec![2]),
        (all().health(HealthStatus::Disabled), vec![3]),
        (all().active(true), vec![0, 1, 2, 4]),
        (all().active(false), vec![3]),
        (
            all().provider("desk").owner("team", "7").active(true),
            vec![2],
        ),
        (all().after(ids[1]), vec![2, 3, 4]),
        (all().after(ids[0]).limit(2), vec![1, 2]),
    ] {
        let found = engine.list(filter.clone()).await.unwrap();
        let found: Vec<_> = found.iter().map(|one| one.id).collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|index: usize| ids[index])
            .collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let first = engine.find(ids[0]).await.unwrap().unwrap();
    assert_eq!(engine.find_by_uid(first.uid).await.unwrap(), Some(first));
    let unknown = uuid::Uuid::now_v7();
    assert_eq!(engine.find_by_uid(unknown).await.unwrap(), None);
}

/// Section 3: deleting an integration deletes what it owns (its runs and items: see `recovery`), and nothing else.
async fn deleting_an_integration_deletes_what_it_owns(url: String) {
    let bench = Bench::new(url).await;
    let engine = &bench.engine;
    let (goes, stays) = (bench.integration().await, bench.integration().await);
    for integration in [&goes, &stays] {
        let log = IntegrationLog::new(integration.id, "import", Direction::Inbound, "success");
        engine.log_operation(log).await.unwrap();
        let request = format!(
            "INSERT INTO events_requests (integration_id, endpoint, method, created_at, updated_at) \
             VALUES ({}, '/', 'GET', 0, 0)",
            integration.id
        );
        crate::desk::execute(&bench, &request).await;
    }
    bench.heard.take();
    engine.delete(goes.id).await.unwrap();
    assert_eq!(engine.find(goes.id).await.unwrap(), None);
    for table in ["events_operations", "events_requests"] {
        let left: Vec<i64> = bench
            .column(&format!("SELECT integration_id FROM {table}"))
            .await;
        assert_eq!(left, [stays.id], "{table}");
    }
    assert_eq!(bench.stored(&stays).await, stays);
    assert!(bench.heard.names().is_empty());
    let again = engine.delete(goes.id).await;
    assert!(matches!(again, Err(IntegrationError::NotFound(_))));
}

on_both!(
    a_queued_listener_loads_the_record_again,
    an_update_changes_what_it_names_and_fires_nothing,
    another_interval_moves_the_next_run,
    creating_stores_a_row_and_fires,
    creating_within_a_transaction_waits_for_its_end,
    deleting_an_integration_deletes_what_it_owns,
    integrations_are_listed_by_owner_provider_and_health,
    what_does_not_fit_the_provider_is_refused,
);
