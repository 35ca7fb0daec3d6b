//! What a request changes of the integration's health, and the order of the events.

use std::future::ready;

use events_core::{BoxError, Events, State, listener};
use events_std::{
    CheckFailure, FailureClass, HealthCheck, HealthStatus, HealthThresholds, Integration,
    Integrations, IntegrationsBuilder, NewIntegration, NoCredentials, NoMetadata, Provider,
    RequestError, RequestFailed, provider,
};

use super::{RequestBench, answer, send};
use crate::desk::execute;
use crate::kit::on_both;

/// Degraded after 1 failure, failing after 2, disabled after 3.
fn strict(engine: IntegrationsBuilder) -> IntegrationsBuilder {
    engine.health(HealthThresholds {
        degraded_after: 1,
        failing_after: 2,
        disabled_after: Some(3),
        ..HealthThresholds::default()
    })
}

/// Section 5 (better): everywhere in this order, the request event, `IntegrationDisabled`, `IntegrationHealthChanged`.
async fn the_request_event_comes_before_those_of_health(url: String) {
    let bench = RequestBench::with(url, strict, |events| events).await;
    let failed = |_| answer(500, "");
    send(bench.get(), (0..3).map(failed)).await.unwrap_err();
    assert_eq!(
        bench.bench.heard.names(),
        [
            "request.failed",
            "integration.health_changed",
            "request.failed",
            "integration.health_changed",
            "request.failed",
            "integration.disabled",
            "integration.health_changed",
        ]
    );
    let stored = bench.bench.stored(&bench.integration).await;
    assert_eq!(stored.health_status, HealthStatus::Disabled);
    // Disabled is sticky.
    send(bench.get(), [answer(200, "{}")]).await.unwrap();
    assert_eq!(bench.bench.heard.names(), ["request.completed"]);
    bench.bench.engine.enable(stored.id).await.unwrap();
    send(bench.post(), [answer(500, "")]).await.unwrap_err();
    bench.bench.heard.take();
    send(bench.get(), [answer(200, "{}")]).await.unwrap();
    assert_eq!(
        bench.bench.heard.names(),
        ["request.completed", "integration.health_changed"]
    );
    let stored = bench.bench.stored(&bench.integration).await;
    assert_eq!(stored.health_status, HealthStatus::Healthy);
    assert_eq!(stored.consecutive_failures, 0);
}

/// It is asked by a request, which is answered by the status that is the integration's name.
#[derive(Default)]
struct Asked;

#[provider(HealthCheck)]
impl Provider for Asked {
    const KEY: &'static str = "asked";
    const NAME: &'static str = "Asked";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

impl HealthCheck for Asked {
    async fn check(&self, integration: &Integration) -> Result<(), CheckFailure> {
        Ok(ask(integration).await?)
    }
}

/// What an adapter's calls have in common fails with whatever fails in it.
async fn ask(integration: &Integration) -> Result<(), BoxError> {
    let status = integration.name.parse()?;
    let engine = Integrations::current()?;
    let request = engine.request(integration, "/me", "POST");
    request.send(|_| ready(answer(status, "{}"))).await?;
    Ok(())
}

/// A check that fails by a request counts what the request has counted, not that and once more.
async fn a_check_by_a_request_counts_once(url: String) {
    let build = |engine: IntegrationsBuilder| strict(engine.provider(Asked));
    let bench = RequestBench::with(url, build, |events| events).await;
    let engine = &bench.bench.engine;
    for (status, failures, class) in [
        ("200", 0, None),
        ("500", 1, Some(FailureClass::Upstream)),
        ("404", 0, Some(FailureClass::Client)),
        ("429", 0, Some(FailureClass::Throttle)),
        ("no status", 0, Some(FailureClass::Unknown)),
    ] {
        let new = NewIntegration::of::<Asked>(status);
        let id = engine.create(new).await.unwrap().id;
        let (now, said) = engine.check_health(id).await.unwrap();
        assert_eq!(now.consecutive_failures, failures, "{status}");
        assert_eq!(said.err().map(|said| said.class), class, "{status}");
        assert_eq!(engine.find(id).await.unwrap(), Some(now));
    }
    let heard = bench.bench.heard.names();
    let moved = heard.iter().filter(|name| name.contains("health"));
    assert_eq!(moved.count(), 1, "{heard:?}");
}

/// Section 4: only the provider's own failures count.
async fn throttles_and_the_callers_own_failures_do_not_count(url: String) {
    let bench = RequestBench::with(url, strict, |events| events).await;
    for status in [400, 404, 429, 501] {
        send(bench.post(), [answer(status, "")]).await.unwrap_err();
        assert_eq!(bench.bench.heard.names(), ["request.failed"], "{status}");
    }
    let stored = bench.bench.stored(&bench.integration).await;
    assert_eq!(stored.consecutive_failures, 0);
}

/// Section 5 (better): the row and the health change commit together, or neither does.
async fn the_row_and_the_health_change_commit_together(url: String) {
    let bench = RequestBench::new(url).await;
    execute(
        &bench.bench,
        "ALTER TABLE events_requests RENAME TO elsewhere",
    )
    .await;
    let error = send(bench.post(), [answer(500, "")]).await.unwrap_err();
    let not_recorded = matches!(
        error,
        RequestError::NotRecorded {
            succeeded: false,
            ..
        }
    );
    assert!(not_recorded, "{error}");
    let stored = bench.bench.stored(&bench.integration).await;
    assert_eq!(stored.consecutive_failures, 0);
    assert!(bench.bench.heard.names().is_empty());
    execute(
        &bench.bench,
        "ALTER TABLE elsewhere RENAME TO events_requests",
    )
    .await;
    send(bench.post(), [answer(500, "")]).await.unwrap_err();
    let stored = bench.bench.stored(&bench.integration).await;
    assert_eq!(stored.consecutive_failures, 1);
    assert_eq!(bench.records().await.len(), 1);
}

/// Sections 1.2 and 1.4 (better): listeners change nothing of the call, and queued ones load the rows again.
mod listeners {
    use std::sync::Mutex;

    use super::{Events, FailureClass, RequestBench, RequestFailed, State, answer, listener, send};

    #[derive(Default)]
    struct Seen(Mutex<Vec<(Option<u16>, u32)>>);

    #[listener(RequestFailed)]
    fn refuses(_: &RequestFailed) -> Result<(), &'static str> {
        Err("not today")
    }

    #[listener(RequestFailed, queue)]
    fn sees(event: &RequestFailed, seen: &State<Seen>, _events: Events) {
        let (request, integration) = (&event.request, &event.integration);
        assert_eq!(request.failure_class, Some(FailureClass::Upstream));
        let seen = &mut *seen.0.lock().unwrap();
        seen.push((request.response_code, integration.consecutive_failures));
    }

    pub(super) async fn listeners_change_nothing_and_queued_ones_load_the_rows(url: String) {
        let bench = RequestBench::with(
            url,
            |engine| engine,
            |events| {
                let events = events.only_linked_in(module_path!());
                events.state(Seen::default())
            },
        )
        .await;
        let answers = [answer(500, ""), answer(502, ""), answer(200, "{}")];
        send(bench.get(), answers).await.unwrap();
        bench.bench.work().await;
        let seen = bench.bench.events.state::<Seen>().unwrap();
        // Today's integration: the success has set the count back.
        let mut seen = std::mem::take(&mut *seen.0.lock().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, [(Some(500), 0), (Some(502), 0)]);
    }
}
use listeners::listeners_change_nothing_and_queued_ones_load_the_rows;

on_both!(
    a_check_by_a_request_counts_once,
    listeners_change_nothing_and_queued_ones_load_the_rows,
    the_request_event_comes_before_those_of_health,
    the_row_and_the_health_change_commit_together,
    throttles_and_the_callers_own_failures_do_not_count,
);
