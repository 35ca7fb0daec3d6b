//! Runs: one at a time, their enumeration, and how they end (section 7.2).

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use events_core::ManualClock;
use events_std::{Integrations, RunState, Scheduler, SessionError, SkipReason, Store, SyncStart};
use serde_json::json;
use tokio::sync::Semaphore;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

use crate::desk::DeskBench;
use crate::desk::until;
use crate::kit::{Bench, listening, on_both, on_postgres};

/// Sections 2 and 6, `OperationStarted`: the log row of a run fires it, and its end does not.
async fn a_run_starts_with_its_log_and_ends_with_sync_completed(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds([1, 2]);
    let started = desk.bench.engine.sync(desk.integration.id).await.unwrap();
    let run = started.assert_enumerated();
    assert_eq!((run.state, run.enumerated), (RunState::Open, 2));
    let (started, log) = (desk.bench.heard.take(), desk.log(&run).await);
    assert_eq!((&*log.operation, &*log.status), ("sync", "processing"));
    assert_eq!(started.len(), 1, "{started:?}");
    assert_eq!(started[0].0, "operation.started");
    assert!(started[0].1.contains("processing"), "{started:?}");
    let run = desk.bench.engine.finish(run).await.unwrap();
    assert_eq!(run.state, RunState::Closed);
    let log = desk.log(&run).await;
    assert_eq!(log.status, "success");
    assert_eq!(log.result_data, Some(json!({"success": 2, "failed": 0})));
    assert_eq!(
        desk.heard().await,
        ["integration.synced", "sync.completed"],
        "and no operation event"
    );
}

/// Section 7.2: a run without items is synced, its log says 0/0, and `SyncCompleted` fires; exactly once (section 2).
async fn a_run_without_items_is_clean(url: String) {
    let desk = DeskBench::new(url).await;
    let run = desk.sync([]).await;
    assert_eq!((run.state, run.enumerated), (RunState::Closed, 0));
    let log = desk.log(&run).await;
    assert_eq!(log.status, "success");
    assert_eq!(log.result_data, Some(json!({"success": 0, "failed": 0})));
    assert_eq!(desk.heard().await, ["integration.synced", "sync.completed"]);
    let stored = desk.stored().await;
    assert_eq!(stored.last_synced_at, Some(desk.bench.events.now()));
    assert_eq!(
        stored.next_sync_at,
        Some(desk.bench.events.now() + TimeDelta::minutes(15))
    );
    assert_eq!(stored.sync_cursor, None);
}

/// Keeps the ages that warnings tell.
#[derive(Clone, Default)]
struct Ages(Arc<Mutex<Vec<u64>>>);

impl<S: tracing::Subscriber> Layer<S> for Ages {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::WARN {
            event.record(&mut self.clone());
        }
    }
}

impl Visit for Ages {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "age_seconds" {
            self.0.lock().unwrap().push(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// Section 7.2: a second run of an integration is dropped, and a warning tells the age of the first.
async fn a_second_run_is_dropped_with_the_age_of_the_first(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds([1]);
    let id = desk.integration.id;
    let run = desk
        .bench
        .engine
        .sync(id)
        .await
        .unwrap()
        .assert_enumerated();
    desk.bench.clock.advance(TimeDelta::seconds(90));
    let ages = Ages::default();
    let second = {
        let _here = tracing::subscriber::set_default(listening(ages.clone()));
        desk.bench.engine.sync(id).await.unwrap()
    };
    assert_eq!(*ages.0.lock().unwrap(), [90]);
    assert_eq!(second, SyncStart::Busy(run.clone()));
    assert_eq!(desk.bench.count("events_operations").await, 1);
    desk.bench.engine.finish(run).await.unwrap();
    let third = desk.bench.engine.sync(id).await.unwrap();
    assert!(matches!(third, SyncStart::Enumerated(_)), "{third:?}");
}

/// Section 7.2: one run per integration that is not closed, across processes.
async fn of_many_that_start_one_run_at_once_one_does(url: String) {
    let desk = DeskBench::new(url.clone()).await;
    desk.desk.finds([1]);
    let id = desk.integration.id;
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        // As in a process of its own: connections of their own, and a service of their own.
        let (store, provider) = (Store::connect(&url).await.unwrap(), desk.desk.clone());
        let engine = Integrations::builder(&store)
            .without_linked()
            .provider(provider)
            .build()
            .unwrap();
        let engine = engine.with_events(&desk.bench.events);
        starts.spawn(async move { engine.sync(id).await.unwrap() });
    }
    let starts = starts.join_all().await;
    let begun = starts
        .iter()
        .filter(|start| matches!(start, SyncStart::Enumerated(_)));
    assert_eq!(begun.count(), 1, "{starts:?}");
    assert_eq!(desk.bench.count("events_sync_runs").await, 1);
    assert_eq!(desk.bench.count("events_operations").await, 1);
}

/// Section 7.2: skipped silently when the integration is missing, inactive, or unable to sync.
async fn what_cannot_be_synced_is_skipped(url: String) {
    let desk = DeskBench::new(url).await;
    let (engine, id) = (&desk.bench.engine, desk.integration.id);
    let skipped = async |id| match engine.sync(id).await.unwrap() {
        SyncStart::Skipped(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(skipped(id + 1_000).await, SkipReason::Missing);
    engine.disable(id).await.unwrap();
    assert_eq!(skipped(id).await, SkipReason::Inactive);
    let other = desk.bench.integration().await;
    assert_eq!(skipped(other.id).await, SkipReason::Unable);
    assert_eq!(desk.bench.count("events_operations").await, 0);
    assert!(desk.heard().await.is_empty());
}

/// Section 7.2 (better): a failed enumeration deletes its items, closes the log, backs the schedule off and fires
/// `SyncCompleted`; the next run starts at the same cursor. (The reference strands the log for ever.)
async fn an_enumeration_that_fails_leaves_nothing_and_starts_over(url: String) {
    let desk = DeskBench::new(url).await;
    desk.sync([5]).await;
    desk.heard().await;
    desk.desk.finds(6..=700);
    desk.desk.0.lock().unwrap().fails = Some("the provider is away");
    let start = desk.bench.engine.sync(desk.integration.id).await.unwrap();
    let SyncStart::Failed { run, error } = start else {
        panic!("{start:?}");
    };
    assert_eq!((run.state, run.enumerated), (RunState::Closed, 0));
    assert_eq!(error, "the provider is away");
    assert!(desk.items(&run).await.is_empty());
    let log = desk.log(&run).await;
    assert_eq!(
        (&*log.status, log.error.as_deref()),
        ("failed", Some(&*error))
    );
    let stored = desk.stored().await;
    let now = desk.bench.events.now();
    assert_eq!(stored.next_sync_at, Some(now + TimeDelta::minutes(15)));
    assert_eq!(
        (stored.consecutive_sync_failures, stored.sync_cursor),
        (1, Some(json!(5)))
    );
    desk.bench.work().await;
    let heard = desk.bench.heard.take();
    let completed = heard
        .iter()
        .find(|(name, _)| *name == "sync.completed")
        .unwrap();
    assert!(completed.1.contains("the provider is away"), "{heard:?}");
    assert!(
        heard.iter().all(|(name, _)| *name != "integration.synced"),
        "{heard:?}"
    );
    // Again, and then well.
    desk.bench.engine.sync(desk.integration.id).await.unwrap();
    let next = desk.stored().await.next_sync_at;
    assert_eq!(next, Some(now + TimeDelta::minutes(30)), "twice the wait");
    desk.desk.0.lock().unwrap().fails = None;
    desk.bench
        .engine
        .run_to_end(desk.integration.id)
        .await
        .unwrap()
        .assert_closed();
    let cursors = std::mem::take(&mut desk.desk.0.lock().unwrap().cursors);
    assert_eq!(
        cursors,
        [None, Some(json!(5)), Some(json!(5)), Some(json!(5))]
    );
    let stored = desk.stored().await;
    assert_eq!(
        (stored.consecutive_sync_failures, stored.sync_cursor),
        (0, Some(json!(700)))
    );
}

async fn a_provider_that_panics_fails_its_run_alone(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds([1]);
    desk.desk.0.lock().unwrap().panics = true;
    let start = desk.bench.engine.sync(desk.integration.id).await.unwrap();
    let SyncStart::Failed { run, error } = start else {
        panic!("{start:?}");
    };
    assert_eq!(error, "panicked: the provider fell over");
    assert_eq!(run.state, RunState::Closed);
    assert_eq!(desk.bench.count("events_sync_items").await, 0);
}

/// Section 7.2 (better): a run whose process died while it enumerated is taken over once its lease has lapsed.
async fn a_run_whose_process_died_is_closed_by_another(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds(1..=600);
    desk.desk.0.lock().unwrap().gate = Some(Arc::new(Semaphore::new(550)));
    let id = desk.integration.id;
    let engine = desk.bench.engine.clone();
    let dying = tokio::spawn(async move { engine.sync(id).await });
    until("a chunk", async || {
        desk.bench.count("events_sync_items").await == 500
    })
    .await;
    dying.abort();
    let _ = dying.await;
    let scheduler = Scheduler::new(&desk.bench.engine);
    desk.leases_age(30).await;
    assert_eq!(
        scheduler.run_due().await.unwrap(),
        [],
        "its lease stands, and its run is open"
    );
    assert_eq!(desk.bench.count("events_sync_items").await, 500);
    desk.leases_age(31).await;
    scheduler.run_due().await.unwrap();
    let runs = desk.bench.engine.sync_runs(id).await.unwrap();
    let run = runs.last().unwrap();
    assert_eq!((run.state, run.enumerated), (RunState::Closed, 0));
    assert_eq!(desk.log(run).await.status, "failed");
    assert!(desk.items(run).await.is_empty());
    assert_eq!(runs.len(), 1, "the next one waits for its time");
    assert_eq!(desk.heard().await, ["sync.completed"]);
    desk.desk.0.lock().unwrap().gate = None;
    desk.bench.clock.advance(TimeDelta::minutes(15));
    assert_eq!(scheduler.run_due().await.unwrap().len(), 1);
    let cursors = desk.desk.0.lock().unwrap().cursors.clone();
    assert_eq!(cursors, [None, None], "it starts over from the same cursor");
}

/// Section 1.7 (better): a holder that was taken for dead writes nothing more.
async fn a_holder_that_was_taken_for_dead_writes_nothing(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds(1..=1_200);
    let gate = Arc::new(Semaphore::new(520));
    desk.desk.0.lock().unwrap().gate = Some(gate.clone());
    let id = desk.integration.id;
    let engine = desk.bench.engine.clone();
    let late = tokio::spawn(async move { engine.sync(id).await });
    until("a chunk", async || {
        desk.bench.count("events_sync_items").await == 500
    })
    .await;
    desk.leases_age(61).await;
    Scheduler::new(&desk.bench.engine).run_due().await.unwrap();
    gate.add_permits(10_000);
    let start = late.await.unwrap().unwrap();
    let SyncStart::Failed { run, error } = start else {
        panic!("{start:?}");
    };
    assert_eq!(error, SessionError::Lost.to_string());
    assert_eq!(run.state, RunState::Closed);
    assert_eq!(desk.bench.count("events_sync_items").await, 0);
    assert_eq!(desk.heard().await, ["sync.completed"], "once");
}

/// Section 1.7 (better): machines whose clocks are far apart agree on which holder is dead: Postgres's own clock tells.
#[test]
fn clocks_that_are_far_apart_make_no_holder_dead_and_none_immortal() {
    let name = "clocks_that_are_far_apart_make_no_holder_dead_and_none_immortal";
    on_postgres(name, async |url| {
        let desk = DeskBench::new(url.clone()).await;
        desk.desk.finds([1]);
        desk.desk.0.lock().unwrap().gate = Some(Arc::new(Semaphore::new(0)));
        let (id, engine) = (desk.integration.id, desk.bench.engine.clone());
        let enumerating = tokio::spawn(async move { engine.sync(id).await });
        let state = async || desk.bench.engine.sync_runs(id).await.unwrap()[0].state;
        until("it enumerates", async || {
            desk.desk.0.lock().unwrap().cursors.len() == 1
        })
        .await;
        let elsewhere = async |apart: TimeDelta| {
            let clock = ManualClock::new(desk.bench.events.now() + apart);
            let provider = desk.desk.clone();
            Bench::with(
                url.clone(),
                |engine| engine.provider(provider),
                |events| events.clock(clock),
            )
            .await
        };
        let (ahead, behind) = (
            elsewhere(TimeDelta::days(365)).await,
            elsewhere(TimeDelta::days(-365)).await,
        );
        for bench in [&ahead, &behind] {
            Scheduler::new(&bench.engine).run_due().await.unwrap();
            assert_eq!(state().await, RunState::Enumerating);
        }
        desk.leases_age(61).await;
        Scheduler::new(&behind.engine).run_due().await.unwrap();
        assert_eq!(state().await, RunState::Closed);
        enumerating.abort();
    });
}

on_both!(
    a_holder_that_was_taken_for_dead_writes_nothing,
    a_provider_that_panics_fails_its_run_alone,
    a_run_starts_with_its_log_and_ends_with_sync_completed,
    a_run_whose_process_died_is_closed_by_another,
    a_run_without_items_is_clean,
    a_second_run_is_dropped_with_the_age_of_the_first,
    an_enumeration_that_fails_leaves_nothing_and_starts_over,
    of_many_that_start_one_run_at_once_one_does,
    what_cannot_be_synced_is_skipped,
);
