//! The engine for adapters' tests, and what its runs say in vain.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use events_core::{EventsBuilder, State, listener};
use events_std::{
    HealthThresholds, Integrations, ItemStatus, NewIntegration, SyncCompleted, TestEngineBuilder,
    TestRun,
};

use crate::desk::{Desk, Fate, Plan};
use crate::kit::{Zendesk, ZendeskCredentials};

fn desk(desk: &Desk) -> TestEngineBuilder {
    let listeners = |events: EventsBuilder| events.only_linked_in("engine::desk");
    let engine = Integrations::for_tests().provider(desk.clone());
    engine.events(listeners).state(Plan::default())
}

#[derive(Default)]
struct Completed(AtomicU32);

#[listener(SyncCompleted, queue, tries = 3, handle = LATER)]
async fn later(_: &SyncCompleted, completed: &State<Completed>) -> Result<(), String> {
    match completed.0.fetch_add(1, Ordering::SeqCst) {
        0 => Err("not yet".to_owned()),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn it_stands_in_one_line_and_syncs_to_the_end() {
    let zendesk = Desk::default();
    zendesk.finds(1..=150);
    let engine = desk(&zendesk)
        .events(|events| events.register(LATER))
        .state(Completed::default())
        .await;
    let id = engine.create(NewIntegration::of::<Desk>("Support")).await;
    let id = id.unwrap().id;
    let run = engine.sync_to_end(id).await;
    run.assert_synced(150);
    assert_eq!(run.integration.sync_cursor, Some(150.into()));
    assert_eq!(run.items_that(ItemStatus::Success).count(), 150);
    // Queued listeners have run, with their retries, and the time has passed for them alone.
    let completed = engine.events().state::<Completed>().unwrap();
    assert_eq!(completed.0.load(Ordering::SeqCst), 2);

    let before = engine.events().now();
    engine.clock().advance(chrono::TimeDelta::days(1));
    assert_eq!(engine.events().now() - before, chrono::TimeDelta::days(1));
}

#[tokio::test]
async fn before_a_request_is_tried_again_the_clock_is_set_forward() {
    let engine = desk(&Desk::default()).await;
    let integration = engine.create(NewIntegration::of::<Desk>("Support")).await;
    let integration = integration.unwrap();
    let before = engine.events().now();
    let mut left = vec![503, 503, 200];
    let request = engine.request(&integration, "/tickets", "GET");
    let sent = request.send(move |_| {
        let answer = http::Response::builder().status(left.remove(0));
        std::future::ready(answer.body(Vec::new()))
    });
    assert_eq!(sent.await.unwrap().status(), 200);
    assert!(engine.events().now() > before);
}

#[tokio::test]
async fn each_has_a_database_and_a_key_of_its_own() {
    let quick = HealthThresholds {
        degraded_after: 1,
        ..HealthThresholds::default()
    };
    let build = || desk(&Desk::default()).engine(move |engine| engine.health(quick));
    let (one, two) = (build().await, build().await);
    let new = NewIntegration::of::<Zendesk>("Support").credentials(ZendeskCredentials {
        token: "hush".to_owned(),
    });
    let stored = one.create(new.unwrap()).await.unwrap();
    let found = one.find(stored.id).await.unwrap().unwrap();
    assert_eq!(found.credentials_of::<Zendesk>().unwrap().token, "hush");
    assert_eq!(two.find(stored.id).await.unwrap(), None);
    assert_eq!(one.thresholds(), &quick);
}

/// What an assertion says when it fails.
fn said(run: &TestRun, assertion: impl Fn(&TestRun)) -> String {
    let ended = catch_unwind(AssertUnwindSafe(|| assertion(run)));
    let panic = ended.expect_err("the assertion fails");
    *panic.downcast::<String>().expect("a text")
}

#[tokio::test]
async fn what_a_test_expects_of_a_run_in_vain_is_told() {
    let zendesk = Desk::default();
    zendesk.finds([1, 2]);
    let engine = desk(&zendesk).await;
    let plan = engine.events().state::<Plan>().unwrap();
    plan.set(2, [Fate::Fails]);
    let new = NewIntegration::of::<Desk>("Support");
    let id = engine.create(new).await.unwrap().id;
    let run = engine.sync_to_end(id).await;
    run.assert_item_failed(2, "cannot be stored");
    assert_eq!(
        said(&run, |run| run.assert_synced(2)),
        "the run did not sync 2 items; it is closed, and found 2 items:\n  desk.ticket.synced 1: success\n  \
         desk.ticket.synced 2: failed, ticket 2 cannot be stored"
    );
    let text = said(&run, |run| run.assert_item_failed(1, "cannot"));
    assert!(text.starts_with("no item `1` failed with"), "{text}");
    let text = said(&run, |run| run.assert_item_failed(2, "printer"));
    assert!(text.contains("contains `printer`; it is closed"), "{text}");
    let text = said(&run, |run| run.assert_failed("away"));
    assert!(text.starts_with("the provider did not fail"), "{text}");

    zendesk.0.lock().unwrap().fails = Some("the desk is away");
    let run = engine.sync_to_end(id).await;
    run.assert_failed("away");
    assert!(run.items.is_empty());
    let text = said(&run, |run| run.assert_synced(0));
    assert!(
        text.ends_with("the provider failed: the desk is away"),
        "{text}"
    );
}

#[tokio::test]
#[should_panic(expected = "no sync was begun: Skipped(Inactive)")]
async fn a_run_that_does_not_begin_is_told() {
    let engine = desk(&Desk::default()).await;
    let new = NewIntegration::of::<Desk>("Support");
    let id = engine.create(new).await.unwrap().id;
    engine.disable(id).await.unwrap();
    engine.sync_to_end(id).await;
}

#[tokio::test]
#[should_panic(expected = "the thresholds of health must rise")]
async fn an_engine_with_a_fault_says_which() {
    let flat = HealthThresholds {
        degraded_after: 0,
        ..HealthThresholds::default()
    };
    desk(&Desk::default())
        .engine(move |engine| engine.health(flat))
        .await;
}
