//! Health: what counts, what moves, and who is told (section 4).

use chrono::TimeDelta;
use events_core::AnyEvent;
use events_std::{
    CheckFailure, FailureClass, HealthCheck, HealthStatus, HealthThresholds, Integration,
    IntegrationDisabled, IntegrationError, IntegrationHealthChanged, Integrations, NewIntegration,
    NoCredentials, NoMetadata, Provider, Store, StoreError, provider,
};
use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;

use crate::desk::execute;
use crate::kit::{Bench, Zendesk, on_both};

const UPSTREAM: FailureClass = FailureClass::Upstream;

/// Degraded after 2, failing after 4, disabled after 6.
const QUICK: HealthThresholds = HealthThresholds {
    degraded_after: 2,
    failing_after: 4,
    disabled_after: Some(6),
    degraded_factor: 2,
    failing_factor: 10,
};

async fn quick(url: String) -> Bench {
    Bench::with(
        url,
        |engine| engine.provider(Zendesk).health(QUICK),
        |events| events,
    )
    .await
}

/// So many failures that count, one after the other.
async fn fail(bench: &Bench, integration: &Integration, times: u32) -> Integration {
    for _ in 1..times {
        let recorded = bench.engine.record_failure(integration.id, UPSTREAM);
        recorded.await.unwrap();
    }
    let recorded = bench.engine.record_failure(integration.id, UPSTREAM);
    recorded.await.unwrap()
}

/// What the event of a transition says, as it is heard.
fn moved(
    integration: &Integration,
    previous_status: HealthStatus,
    new_status: HealthStatus,
) -> (&'static str, String) {
    let event = IntegrationHealthChanged {
        integration: integration.clone(),
        previous_status,
        new_status,
    };
    (event.name(), format!("{event:?}"))
}

/// Section 2, `IntegrationHealthChanged` and `IntegrationDisabled`: once per transition, in the order of section 4, with
/// the row as it is then; and not between the transitions.
async fn failures_move_the_health_once_per_transition(url: String) {
    use HealthStatus::{Degraded, Disabled, Failing, Healthy};

    let bench = quick(url).await;
    let integration = bench.integration().await;
    for (failure, expected) in [
        (1, None),
        (2, Some((Healthy, Degraded))),
        (3, None),
        (4, Some((Degraded, Failing))),
        (5, None),
        (6, Some((Failing, Disabled))),
    ] {
        bench.clock.advance(TimeDelta::seconds(1));
        let now = fail(&bench, &integration, 1).await;
        assert_eq!(now, bench.stored(&integration).await);
        assert_eq!(now.consecutive_failures, failure);
        assert_eq!(now.last_error_at, Some(bench.events.now()));
        assert_eq!(now.is_active, failure < 6);
        let heard = bench.heard.take();
        let Some((previous, status)) = expected else {
            assert_eq!(heard, [], "after {failure} failures");
            continue;
        };
        assert_eq!(now.health_status, status);
        let changed = moved(&now, previous, status);
        if status == Disabled {
            let event = IntegrationDisabled { integration: now };
            let disabled = (event.name(), format!("{event:?}"));
            assert_eq!(heard, [disabled, changed]);
        } else {
            assert_eq!(heard, [changed]);
        }
    }
}

/// The defaults of section 4: 5, 20, 50.
async fn the_thresholds_are_5_20_and_50_unless_given(url: String) {
    let bench = Bench::new(url).await;
    let integration = bench.integration().await;
    for (failures, before, after) in [
        (5, HealthStatus::Healthy, HealthStatus::Degraded),
        (15, HealthStatus::Degraded, HealthStatus::Failing),
        (30, HealthStatus::Failing, HealthStatus::Disabled),
    ] {
        let almost = fail(&bench, &integration, failures - 1).await;
        assert_eq!(almost.health_status, before);
        assert!(bench.heard.names().is_empty());
        let now = fail(&bench, &integration, 1).await;
        assert_eq!(now.health_status, after);
        assert!(!bench.heard.names().is_empty());
    }
}

async fn without_a_threshold_nothing_is_disabled(url: String) {
    let thresholds = HealthThresholds {
        disabled_after: None,
        ..QUICK
    };
    let build =
        |engine: events_std::IntegrationsBuilder| engine.provider(Zendesk).health(thresholds);
    let bench = Bench::with(url, build, |events| events).await;
    let integration = bench.integration().await;
    let now = fail(&bench, &integration, 20).await;
    assert_eq!(
        (now.health_status, now.is_active, now.consecutive_failures),
        (HealthStatus::Failing, true, 20)
    );
    let heard = bench.heard.names();
    let changed = ["integration.health_changed"; 2];
    assert_eq!(heard, changed, "and no `integration.disabled`");
}

/// Only upstream failures count: the others change nothing.
async fn other_failures_than_upstream_change_nothing(url: String) {
    let bench = quick(url).await;
    let integration = bench.integration().await;
    fail(&bench, &integration, 1).await;
    let before = bench.stored(&integration).await;
    bench.clock.advance(TimeDelta::seconds(1));
    for class in [
        FailureClass::Throttle,
        FailureClass::Client,
        FailureClass::Unknown,
    ] {
        let now = bench.engine.record_failure(integration.id, class).await;
        assert_eq!(now.unwrap(), before, "{class}");
    }
    assert_eq!(bench.stored(&integration).await, before);
    assert!(bench.heard.names().is_empty());
}

/// `record_success`: counter 0 and healthy, told if the status moved.
async fn a_success_heals_and_tells_if_the_status_moved(url: String) {
    let bench = quick(url).await;
    let integration = bench.integration().await;
    let healthy = bench.engine.record_success(integration.id).await.unwrap();
    assert_eq!(healthy, integration, "nothing to heal");
    fail(&bench, &integration, 1).await;
    let now = bench.engine.record_success(integration.id).await.unwrap();
    assert_eq!(now.consecutive_failures, 0);
    assert!(
        bench.heard.names().is_empty(),
        "it was healthy all the time"
    );
    for (failures, previous) in [(2, HealthStatus::Degraded), (4, HealthStatus::Failing)] {
        fail(&bench, &integration, failures).await;
        bench.heard.take();
        let now = bench.engine.record_success(integration.id).await.unwrap();
        assert_eq!(
            (now.health_status, now.consecutive_failures),
            (HealthStatus::Healthy, 0)
        );
        let expected = moved(&now, previous, HealthStatus::Healthy);
        assert_eq!(bench.heard.take(), [expected]);
    }
}

/// Disabled is sticky: no failure and no success moves it, and nothing fires.
async fn nothing_but_an_operator_moves_what_is_disabled(url: String) {
    let bench = quick(url).await;
    let integration = bench.integration().await;
    let disabled = fail(&bench, &integration, 6).await;
    bench.heard.take();
    bench.clock.advance(TimeDelta::seconds(1));
    assert_eq!(fail(&bench, &integration, 3).await, disabled);
    let healed = bench.engine.record_success(integration.id).await;
    assert_eq!(healed.unwrap(), disabled);
    assert_eq!(bench.stored(&integration).await, disabled);
    assert!(bench.heard.names().is_empty());
}

/// Better: the decision reads the row, never a stale copy in memory, so it cannot overwrite another worker's `disabled`.
async fn a_stale_copy_cannot_overwrite_disabled(url: String) {
    let bench = quick(url.clone()).await;
    let stale = bench.integration().await;
    // Another process, which knows nothing of this one's copy.
    let other = Store::connect(&url).await.unwrap();
    let other = Integrations::builder(&other)
        .without_linked()
        .provider(Zendesk)
        .health(QUICK)
        .build()
        .unwrap()
        .with_events(&bench.events);
    for _ in 0..6 {
        other.record_failure(stale.id, UPSTREAM).await.unwrap();
    }
    bench.heard.take();
    assert_eq!(stale.health_status, HealthStatus::Healthy, "it is stale");
    let now = bench.engine.record_success(stale.id).await.unwrap();
    assert_eq!(
        (now.health_status, now.is_active),
        (HealthStatus::Disabled, false)
    );
    let now = fail(&bench, &stale, 1).await;
    assert_eq!(
        (now.health_status, now.consecutive_failures),
        (HealthStatus::Disabled, 6)
    );
    // Nor can a change of something else.
    let update = events_std::IntegrationUpdate::new().name("Renamed");
    let now = bench.engine.update(stale.id, update).await.unwrap();
    assert_eq!(
        (now.health_status, now.is_active),
        (HealthStatus::Disabled, false)
    );
    assert!(bench.heard.names().is_empty());
}

/// N concurrent failures count N and fire each transition once.
async fn ten_failures_at_once_count_ten_with_one_transition(url: String) {
    let thresholds = HealthThresholds {
        degraded_after: 10,
        failing_after: 20,
        ..QUICK
    };
    let thresholds = HealthThresholds {
        disabled_after: None,
        ..thresholds
    };
    let build =
        |engine: events_std::IntegrationsBuilder| engine.provider(Zendesk).health(thresholds);
    let bench = Bench::with(url.clone(), build, |events| events).await;
    let integration = bench.integration().await;
    let mut failures = JoinSet::new();
    for process in 0..10 {
        // Each as in a process of its own, but for two that share one.
        let engine = if process < 2 {
            bench.engine.clone()
        } else {
            let store = Store::connect(&url).await.unwrap();
            let engine = Integrations::builder(&store)
                .without_linked()
                .provider(Zendesk);
            let engine = engine.health(thresholds).build().unwrap();
            engine.with_events(&bench.events)
        };
        let id = integration.id;
        failures.spawn(async move { engine.record_failure(id, UPSTREAM).await.unwrap() });
    }
    let mut counts: Vec<_> = failures
        .join_all()
        .await
        .iter()
        .map(|after| after.consecutive_failures)
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=10).collect::<Vec<_>>());
    let now = bench.stored(&integration).await;
    assert_eq!(
        (now.consecutive_failures, now.health_status),
        (10, HealthStatus::Degraded)
    );
    assert_eq!(bench.heard.names(), ["integration.health_changed"]);
}

/// Better: only an operator re-enables; `enable` sets active, healthy and counter 0, `disable` sets inactive, and neither
/// fires a health event.
async fn an_operator_enables_and_disables_in_silence(url: String) {
    let bench = quick(url).await;
    let integration = bench.integration().await;
    fail(&bench, &integration, 6).await;
    bench.heard.take();
    let on = bench.engine.enable(integration.id).await.unwrap();
    let on = on.integration;
    assert_eq!(
        (on.is_active, on.health_status, on.consecutive_failures),
        (true, HealthStatus::Healthy, 0)
    );
    assert_eq!(bench.stored(&integration).await, on);
    fail(&bench, &integration, 2).await;
    bench.heard.take();
    let off = bench.engine.disable(integration.id).await.unwrap();
    let off = off.integration;
    assert_eq!(
        (off.is_active, off.health_status, off.consecutive_failures),
        (false, HealthStatus::Degraded, 2),
        "its health stays as it is"
    );
    assert_eq!(bench.stored(&integration).await, off);
    assert!(bench.heard.names().is_empty());
    for missing in [
        bench.engine.enable(99).await.map(|one| one.integration),
        bench.engine.disable(99).await.map(|one| one.integration),
        bench.engine.record_failure(99, UPSTREAM).await,
        bench.engine.record_success(99).await,
        bench.engine.mark_synced(99).await,
    ] {
        assert!(matches!(missing, Err(IntegrationError::NotFound(99))));
    }
    assert!(bench.heard.names().is_empty());
}

/// Section 2, `IntegrationSynced`: `last_synced_at` = t, `next_sync_at` = t + effective interval, none without one; and
/// section 4 (better): the provider's default drives `mark_synced` where the integration has no interval of its own.
async fn being_synced_is_recorded_with_the_time_of_the_next(url: String) {
    let build = |engine: events_std::IntegrationsBuilder| engine.provider(Zendesk).provider(Hourly);
    let bench = Bench::with(url, build, |events| events).await;
    for (new, minutes) in [
        (NewIntegration::of::<Zendesk>("none"), None),
        (
            NewIntegration::of::<Zendesk>("own").sync_every(15),
            Some(15),
        ),
        (NewIntegration::of::<Hourly>("default"), Some(60)),
        (NewIntegration::of::<Hourly>("both").sync_every(5), Some(5)),
    ] {
        let integration = bench.engine.create(new).await.unwrap();
        bench.heard.take();
        bench.clock.advance(TimeDelta::seconds(7));
        let now = bench.engine.mark_synced(integration.id).await.unwrap();
        assert_eq!(now.last_synced_at, Some(bench.events.now()));
        let next = minutes.map(|minutes| bench.events.now() + TimeDelta::minutes(minutes));
        assert_eq!(now.next_sync_at, next, "{}", now.name);
        let heard = bench.heard.take();
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].0, "integration.synced");
        assert!(heard[0].1.contains(&format!("{now:?}")), "the new times");
        assert_eq!(bench.stored(&integration).await, now);
    }
}

/// A provider with a default interval.
#[derive(Default)]
struct Hourly;

#[provider(ScheduledSync)]
impl Provider for Hourly {
    const KEY: &'static str = "hourly";
    const NAME: &'static str = "Hourly";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

impl events_std::ScheduledSync for Hourly {
    fn interval(&self) -> Option<std::time::Duration> {
        Some(std::time::Duration::from_hours(1))
    }

    async fn sync(
        &self,
        _: &Integration,
        _: &mut events_std::SyncSession,
    ) -> Result<(), events_std::SyncError> {
        Ok(())
    }
}

/// A provider that answers by the name of the integration, and writes meanwhile.
#[provider(HealthCheck)]
impl Provider for Checked {
    const KEY: &'static str = "checked";
    const NAME: &'static str = "Checked";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

/// With connections of its own.
#[derive(Default)]
struct Checked(Option<Store>);

impl HealthCheck for Checked {
    async fn check(&self, integration: &Integration) -> Result<(), CheckFailure> {
        let store = self.0.as_ref().expect("the test gives one");
        // It would wait for whoever holds a transaction, or the row.
        let sql = "UPDATE events_integrations SET updated_at = updated_at";
        let open = store.transaction(async |tx| {
            tx.execute_unprepared(sql).await?;
            Ok::<_, StoreError>(())
        });
        open.await.expect("nobody holds a transaction meanwhile");
        match &*integration.name {
            "well" => Ok(()),
            "down" => Err(CheckFailure::upstream("503")),
            _ => Err(CheckFailure::new(FailureClass::Client, "401")),
        }
    }
}

/// What a check says is recorded by its class. Section 1.7 (better): no transaction is open across the call.
async fn a_check_is_recorded_as_what_it_says(url: String) {
    let checked = Checked(Some(Store::connect(&url).await.unwrap()));
    let build = |engine: events_std::IntegrationsBuilder| {
        engine.provider(Zendesk).provider(checked).health(QUICK)
    };
    let bench = Bench::with(url, build, |events| events).await;
    let (engine, mut ids) = (&bench.engine, Vec::new());
    for name in ["well", "down", "refused"] {
        let new = NewIntegration::of::<Checked>(name);
        ids.push(engine.create(new).await.unwrap().id);
    }
    bench.heard.take();
    execute(
        &bench,
        "UPDATE events_integrations SET consecutive_failures = 1",
    )
    .await;
    let mut counts = Vec::new();
    for id in &ids {
        let (now, said) = engine.check_health(*id).await.unwrap();
        counts.push((
            now.consecutive_failures,
            said.map_err(|said| said.to_string()),
        ));
    }
    let expected = [
        (0, Ok(())),
        (2, Err("503".to_owned())),
        (1, Err("401".to_owned())),
    ];
    assert_eq!(counts, expected);
    assert_eq!(bench.heard.names(), ["integration.health_changed"]);

    let store = bench.store.with_events(&bench.events);
    let within = store.transaction(async |_| engine.check_health(ids[0]).await.map(drop));
    assert!(matches!(
        within.await,
        Err(IntegrationError::Store(StoreError::TransactionOpen))
    ));
    let other = engine
        .create(NewIntegration::of::<Zendesk>("other"))
        .await
        .unwrap();
    let error = engine.check_health(other.id).await.unwrap_err().to_string();
    assert!(error.contains("`zendesk` has no `HealthCheck`"), "{error}");
    assert!(matches!(
        engine.check_health(99).await,
        Err(IntegrationError::NotFound(99))
    ));
}

on_both!(
    a_check_is_recorded_as_what_it_says,
    a_stale_copy_cannot_overwrite_disabled,
    a_success_heals_and_tells_if_the_status_moved,
    an_operator_enables_and_disables_in_silence,
    being_synced_is_recorded_with_the_time_of_the_next,
    failures_move_the_health_once_per_transition,
    nothing_but_an_operator_moves_what_is_disabled,
    other_failures_than_upstream_change_nothing,
    ten_failures_at_once_count_ten_with_one_transition,
    the_thresholds_are_5_20_and_50_unless_given,
    without_a_threshold_nothing_is_disabled,
);
