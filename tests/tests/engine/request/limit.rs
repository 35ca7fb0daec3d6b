//! The rate limit of an integration.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use events_std::{
    FailureClass, Integration, Integrations, NewIntegration, NoCredentials, NoMetadata, Provider,
    RateLimit, RateLimited, RequestError, provider,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{RequestBench, answer, send};
use crate::kit::on_both;

/// Takes 10 requests a second, 3 at once.
#[derive(Default)]
struct Narrow;

#[provider]
impl Provider for Narrow {
    const KEY: &'static str = "narrow";
    const NAME: &'static str = "Narrow";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;

    fn rate_limit(&self) -> Option<RateLimit> {
        Some(RateLimit::per_second(10).burst(3))
    }
}

async fn narrow(url: String) -> (RequestBench, [Integration; 2]) {
    let bench = RequestBench::with(url, |engine| engine.provider(Narrow), |events| events).await;
    let engine = &bench.bench.engine;
    let first = engine
        .create(NewIntegration::of::<Narrow>("One"))
        .await
        .unwrap();
    let second = engine
        .create(NewIntegration::of::<Narrow>("Two"))
        .await
        .unwrap();
    bench.bench.heard.take();
    (bench, [first, second])
}

const INTERVAL: Duration = Duration::from_millis(100);

async fn a_call_waits_for_its_turn_and_no_longer_than_its_patience(url: String) {
    let (bench, [first, second]) = narrow(url).await;
    let get = |integration| bench.bench.engine.request(integration, "/", "GET");
    for _ in 0..5 {
        send(get(&first), [answer(200, "{}")]).await.unwrap();
    }
    assert_eq!(bench.waits.take(), [INTERVAL, INTERVAL]);
    // Another integration has its own limit, and one without a limit has none.
    send(get(&second), [answer(200, "{}")]).await.unwrap();
    for _ in 0..9 {
        send(bench.get(), [answer(200, "{}")]).await.unwrap();
    }
    assert!(bench.waits.take().is_empty());
    bench.bench.heard.take();
    let impatient = get(&first).patience(INTERVAL / 2);
    let error = send(impatient, []).await.unwrap_err();
    assert!(matches!(error, RequestError::Limited(_)), "{error}");
    assert_eq!(error.retry_after(), Some(INTERVAL));
    assert_eq!(error.class(), Some(FailureClass::Throttle));
    // An item's listener that returns it defers its item.
    assert_eq!(RateLimited::find(&error).unwrap().wait(), INTERVAL);
    assert!(
        bench.bench.heard.names().is_empty(),
        "nothing was attempted"
    );
    // Retries count too.
    let answers = [answer(500, ""), answer(500, ""), answer(200, "{}")];
    send(get(&second), answers).await.unwrap();
    bench.waits.take();
    // A clock that was set back starts anew rather than leave no request.
    bench.bench.clock.advance(TimeDelta::hours(-1));
    send(get(&first), [answer(200, "{}")]).await.unwrap();
    assert!(bench.waits.take().is_empty());
}

/// How many of 30 calls at once are made, each of a task of its own.
async fn made_at_once(engine: &Integrations, integration: &Integration) -> usize {
    const CALLS: usize = 30;
    let (barrier, made) = (Arc::new(Barrier::new(CALLS)), Arc::new(AtomicUsize::new(0)));
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let (engine, integration) = (engine.clone(), integration.clone());
        let (barrier, made) = (barrier.clone(), made.clone());
        calls.spawn(async move {
            barrier.wait().await;
            let request = engine.request(&integration, "/", "GET");
            let called = request.patience(Duration::ZERO).call(async |_| {
                made.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::io::Error>(())
            });
            if let Err(error) = called.await {
                assert!(matches!(error, RequestError::Limited(_)), "{error}");
            }
        });
    }
    calls.join_all().await;
    made.load(Ordering::Relaxed)
}

/// Section 5 as the issue has it: a rate limit per integration, which calls at the same time cannot pass together.
async fn calls_at_once_share_the_limit(url: String) {
    let (bench, [first, _]) = narrow(url).await;
    let engine = &bench.bench.engine;
    assert_eq!(made_at_once(engine, &first).await, 3);
    assert_eq!(made_at_once(engine, &first).await, 0);
    for (passed, permitted) in [(99, 0), (1, 1), (200, 2), (10_000, 3)] {
        bench.bench.clock.advance(TimeDelta::milliseconds(passed));
        assert_eq!(
            made_at_once(engine, &first).await,
            permitted,
            "after {passed} ms"
        );
    }
}

on_both!(
    a_call_waits_for_its_turn_and_no_longer_than_its_patience,
    calls_at_once_share_the_limit,
);
