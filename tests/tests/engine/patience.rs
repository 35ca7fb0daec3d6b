//! How long a run waits for its provider, and for listeners.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use events_core::AnyEvent;
use events_std::{RunState, Scheduler, SyncStart};
use tokio::sync::Semaphore;

use crate::desk::{DeskBench, until};
use crate::kit::on_both;

async fn a_provider_that_hangs_is_stopped_and_its_run_fails(url: String) {
    let soon = Duration::from_millis(200);
    let desk = DeskBench::with_engine(url, |engine| engine.enumeration_timeout(soon)).await;
    desk.desk.finds([1, 2]);
    desk.desk.0.lock().unwrap().gate = Some(Arc::new(Semaphore::new(0)));
    let engine = &desk.bench.engine;
    let start = engine.sync(desk.integration.id).await.unwrap();
    let SyncStart::Failed { run, error } = start else {
        panic!("{start:?}");
    };
    assert!(error.contains("`enumeration_timeout`"), "{error}");
    assert_eq!(run.state, RunState::Closed);
    assert_eq!(desk.log(&run).await.error, Some(error));
    assert_eq!(desk.bench.count("events_sync_items").await, 0);
    assert!(
        desk.stored().await.next_sync_at.is_some(),
        "it is due again"
    );
}

/// Runs a body on one thread, where a test can set forward what timers wait for.
async fn on_one_thread<F: Future<Output = ()>>(body: impl FnOnce() -> F + Send + 'static) {
    let body = move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(body());
    };
    tokio::task::spawn_blocking(body).await.unwrap();
}

/// Lets the hold lapse, and the time pass after which whoever lives has renewed it.
async fn lapses(desk: &DeskBench) {
    const UNTIL: &str = "SELECT lease_until FROM events_sync_runs";
    desk.leases_age(3_600).await;
    let lapsed = desk.bench.column::<i64>(UNTIL).await[0];
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(20)).await;
    tokio::time::resume();
    until("the hold is renewed", async || {
        desk.bench.column::<i64>(UNTIL).await[0] > lapsed
    })
    .await;
    Scheduler::new(&desk.bench.engine).run_due().await.unwrap();
}

async fn the_hold_is_renewed_while_the_provider_enumerates(url: String) {
    on_one_thread(|| enumerates_for_long(url)).await;
}

async fn enumerates_for_long(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds([1]);
    let gate = Arc::new(Semaphore::new(0));
    desk.desk.0.lock().unwrap().gate = Some(gate.clone());
    let (engine, id) = (desk.bench.engine.clone(), desk.integration.id);
    let syncing = tokio::spawn(async move { engine.sync(id).await });
    until("it enumerates", async || {
        !desk.desk.0.lock().unwrap().cursors.is_empty()
    })
    .await;
    lapses(&desk).await;
    gate.add_permits(1);
    let run = syncing.await.unwrap().unwrap().assert_enumerated();
    assert_eq!((run.state, run.enumerated), (RunState::Open, 1));
}

/// A gate at which the listener of the begin waits.
async fn held_up(url: String, gate: &Arc<Semaphore>) -> DeskBench {
    let gate = gate.clone();
    let desk = DeskBench::with(url, |events| {
        events.listen_pattern("waits", "operation.started", move |_: &dyn AnyEvent| {
            let gate = gate.clone();
            async move { gate.acquire().await.unwrap().forget() }
        })
    })
    .await;
    desk.desk.finds([1]);
    desk
}

async fn the_hold_is_renewed_while_listeners_hear_of_the_begin(url: String) {
    on_one_thread(|| hears_for_long(url)).await;
}

async fn hears_for_long(url: String) {
    let gate = Arc::new(Semaphore::new(0));
    let desk = held_up(url, &gate).await;
    let (engine, id) = (desk.bench.engine.clone(), desk.integration.id);
    let syncing = tokio::spawn(async move { engine.sync(id).await });
    until("it is begun", async || {
        desk.bench.count("events_sync_runs").await == 1
    })
    .await;
    lapses(&desk).await;
    gate.add_permits(1);
    let run = syncing.await.unwrap().unwrap().assert_enumerated();
    assert_eq!((run.state, run.enumerated), (RunState::Open, 1));
}

async fn a_run_goes_on_without_listeners_that_hang(url: String) {
    let soon = Duration::from_secs(1);
    let desk = DeskBench::of(
        crate::desk::Desk::default(),
        url,
        |engine| engine.enumeration_timeout(soon),
        |events| {
            let hangs = |_: &dyn AnyEvent| std::future::pending::<()>();
            events
                .listen_pattern("begin", "operation.started", hangs)
                .listen_pattern("end", "integration.synced", hangs)
        },
    )
    .await;
    // Without items it is closed at once, and then both are told.
    let start = desk.bench.engine.sync(desk.integration.id).await.unwrap();
    let run = start.assert_closed();
    assert_eq!(desk.log(&run).await.status, "success");
}

async fn a_scheduler_that_stops_closes_a_run_whose_listener_hangs(url: String) {
    let gate = Arc::new(Semaphore::new(0));
    let desk = held_up(url, &gate).await;
    let engine = &desk.bench.engine;
    let begun = until("it is begun", async || {
        desk.bench.count("events_sync_runs").await == 1
    });
    let scheduler = Scheduler::new(engine).poll_every(Duration::from_millis(10));
    scheduler.run_until(begun).await;
    let run = &engine.sync_runs(desk.integration.id).await.unwrap()[0];
    assert_eq!(run.state, RunState::Closed);
    let error = desk.log(run).await.error.unwrap();
    assert!(error.contains("was stopped"), "{error}");
}

/// Beside a real worker its items would run twice.
async fn a_sync_to_its_end_shows_life(url: String) {
    on_one_thread(|| works_for_long(url)).await;
}

async fn works_for_long(url: String) {
    let gate = Arc::new(Semaphore::new(0));
    let (waits, entered) = (gate.clone(), Arc::new(Semaphore::new(0)));
    let enters = entered.clone();
    let desk = DeskBench::with(url, |events| {
        events.listen_pattern("waits", "desk.ticket.synced", move |_: &dyn AnyEvent| {
            let (gate, entered) = (waits.clone(), enters.clone());
            async move {
                entered.add_permits(1);
                gate.acquire().await.unwrap().forget();
            }
        })
    })
    .await;
    desk.desk.finds([1]);
    let (engine, id) = (desk.bench.engine.clone(), desk.integration.id);
    let working = tokio::spawn(async move { engine.run_to_end(id).await });
    entered.acquire().await.unwrap().forget();
    let beats = async || {
        let sql = "SELECT heartbeat_at FROM events_workers";
        desk.bench.column::<i64>(sql).await[0]
    };
    for _ in 0..2 {
        let before = beats().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(20)).await;
        tokio::time::resume();
        until("it shows life", async || beats().await > before).await;
    }
    gate.add_permits(1);
    working.await.unwrap().unwrap().assert_closed();
}

on_both!(
    a_sync_to_its_end_shows_life,
    a_provider_that_hangs_is_stopped_and_its_run_fails,
    a_run_goes_on_without_listeners_that_hang,
    a_scheduler_that_stops_closes_a_run_whose_listener_hangs,
    the_hold_is_renewed_while_listeners_hear_of_the_begin,
    the_hold_is_renewed_while_the_provider_enumerates,
);
