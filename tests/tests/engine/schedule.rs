//! The scheduler: what is due, once, on any number of machines (section 4).

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use events_core::AnyEvent;
use events_std::{FailureClass, NewIntegration, Scheduler, SkipReason, SyncStart};
use sea_orm::DbBackend;
use tokio::sync::Semaphore;

use crate::desk::DeskBench;
use crate::desk::{execute, until};
use crate::kit::on_both;

async fn due(desk: &DeskBench) -> usize {
    let started = Scheduler::new(&desk.bench.engine).run_due().await.unwrap();
    let mut begun = 0;
    for start in started {
        if let SyncStart::Enumerated(run) = start {
            begun += 1;
            desk.bench.engine.finish(run).await.unwrap();
        }
    }
    begun
}

async fn a_run_is_due_when_its_interval_is_over(url: String) {
    let desk = DeskBench::new(url).await;
    assert_eq!(due(&desk).await, 1, "never synced");
    assert_eq!(due(&desk).await, 0);
    desk.bench
        .clock
        .advance(TimeDelta::minutes(15) - TimeDelta::milliseconds(1));
    assert_eq!(due(&desk).await, 0);
    desk.bench.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(due(&desk).await, 1);
}

/// Section 4 (better): the provider's default drives an integration without an interval of its own; without either it
/// is never due by itself.
async fn the_providers_interval_counts_where_there_is_no_other(url: String) {
    let desk = DeskBench::every(Duration::from_mins(5), url).await;
    let new = NewIntegration::new("desk", "Other");
    let other = desk.bench.engine.create(new).await.unwrap();
    desk.bench
        .engine
        .disable(desk.integration.id)
        .await
        .unwrap();
    assert_eq!(due(&desk).await, 1);
    let next = desk.bench.stored(&other).await.next_sync_at;
    assert_eq!(next, Some(desk.bench.events.now() + TimeDelta::minutes(5)));
    desk.bench.clock.advance(TimeDelta::minutes(5));
    assert_eq!(due(&desk).await, 1);
}

async fn without_any_interval_nothing_is_due_by_itself(url: String) {
    let desk = DeskBench::new(url).await;
    let new = NewIntegration::new("desk", "Other");
    let other = desk.bench.engine.create(new).await.unwrap();
    desk.bench
        .engine
        .disable(desk.integration.id)
        .await
        .unwrap();
    assert_eq!(due(&desk).await, 0);
    desk.bench
        .engine
        .run_to_end(other.id)
        .await
        .unwrap()
        .assert_closed();
    assert_eq!(desk.bench.stored(&other).await.next_sync_at, None);
}

async fn the_longest_interval_there_is_disturbs_no_other(url: String) {
    let desk = DeskBench::every(Duration::MAX, url).await;
    let engine = &desk.bench.engine;
    let other = engine.create(NewIntegration::new("desk", "Other")).await;
    let other = other.unwrap().id;
    engine.mark_synced(other).await.unwrap();
    for _ in 0..20 {
        let failed = engine.record_failure(other, FailureClass::Upstream);
        failed.await.unwrap();
    }
    assert_eq!(due(&desk).await, 1, "the one with an interval of its own");
}

/// Section 4: degraded ones are due after twice the interval, failing ones after ten times, disabled ones never.
async fn bad_health_slows_the_schedule_down(url: String) {
    let desk = DeskBench::new(url).await;
    assert_eq!(due(&desk).await, 1);
    for (status, minutes) in [("degraded", 30), ("failing", 150)] {
        execute(
            &desk.bench,
            &format!("UPDATE events_integrations SET health_status = '{status}'"),
        )
        .await;
        desk.bench
            .clock
            .advance(TimeDelta::minutes(minutes) - TimeDelta::seconds(1));
        assert_eq!(due(&desk).await, 0, "{status}");
        desk.bench.clock.advance(TimeDelta::seconds(1));
        assert_eq!(due(&desk).await, 1, "{status}");
    }
    execute(
        &desk.bench,
        "UPDATE events_integrations SET health_status = 'disabled'",
    )
    .await;
    desk.bench.clock.advance(TimeDelta::days(7));
    assert_eq!(due(&desk).await, 0);
}

/// Section 4 (better): any number of machines may run a scheduler at once.
async fn many_schedulers_start_each_run_once(url: String) {
    let desk = DeskBench::new(url).await;
    for number in 0..5 {
        let new = NewIntegration::new("desk", format!("Support {number}")).sync_every(15);
        desk.bench.engine.create(new).await.unwrap();
    }
    desk.desk.finds([1]);
    let mut schedulers = tokio::task::JoinSet::new();
    let (stop, stopped) = tokio::sync::watch::channel(());
    for _ in 0..3 {
        let mut stopped = stopped.clone();
        let scheduler = Scheduler::new(&desk.bench.engine).poll_every(Duration::from_millis(10));
        schedulers.spawn(async move {
            scheduler
                .run_until(async {
                    let _ = stopped.changed().await;
                })
                .await;
        });
    }
    until("all runs are open", async || {
        let sql = "SELECT COUNT(*) FROM events_sync_runs WHERE state = 1";
        desk.bench.column::<i64>(sql).await[0] == 6
    })
    .await;
    drop(stop);
    schedulers.join_all().await;
    assert_eq!(desk.bench.count("events_sync_runs").await, 6);
    assert_eq!(desk.bench.count("events_operations").await, 6);
}

/// A run that is over before another scheduler comes to it is not run again.
async fn many_schedulers_run_what_ends_at_once_once(url: String) {
    let desk = DeskBench::new(url).await;
    for number in 0..40 {
        let new = NewIntegration::new("desk", format!("Support {number}")).sync_every(15);
        desk.bench.engine.create(new).await.unwrap();
    }
    let mut schedulers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let scheduler = Scheduler::new(&desk.bench.engine).concurrency(1);
        schedulers.spawn(async move { scheduler.run_due().await.unwrap() });
    }
    let started = schedulers.join_all().await.concat();
    let begun = |start: &&SyncStart| matches!(start, SyncStart::Enumerated(_));
    assert_eq!(started.iter().filter(begun).count(), 41);
    // Whoever came second was told that the run goes on, or that it is over.
    let known = |start: &SyncStart| {
        let late = SyncStart::Skipped(SkipReason::NotDue);
        matches!(start, SyncStart::Enumerated(_) | SyncStart::Busy(_)) || *start == late
    };
    assert!(started.iter().all(known), "{started:?}");
    assert_eq!(desk.bench.count("events_sync_runs").await, 41);
}

/// A scheduler that is stopped ends the runs that it enumerates, so that nobody waits for their leases.
async fn a_scheduler_that_stops_closes_what_it_enumerates(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds([1, 2]);
    desk.desk.0.lock().unwrap().gate = Some(Arc::new(Semaphore::new(0)));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let scheduler = Scheduler::new(&desk.bench.engine).poll_every(Duration::from_millis(10));
    let running = tokio::spawn(scheduler.run_until(async {
        let _ = stopped.await;
    }));
    until("it enumerates", async || {
        !desk.desk.0.lock().unwrap().cursors.is_empty()
    })
    .await;
    drop(stop);
    running.await.unwrap();
    let runs = desk
        .bench
        .engine
        .sync_runs(desk.integration.id)
        .await
        .unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].state.to_string(), "closed");
    assert!(
        desk.log(&runs[0])
            .await
            .error
            .unwrap()
            .contains("was stopped")
    );
}

/// Section 3: runs have a retention, which spares those with failed items.
async fn old_runs_are_forgotten_but_not_those_with_failed_items(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [crate::desk::Fate::Fails]);
    let failed = desk.sync([1, 2]).await;
    let clean = desk.sync([3]).await;
    let engine = &desk.bench.engine;
    desk.bench.clock.advance(TimeDelta::days(30));
    assert_eq!(engine.prune_sync_runs().await.unwrap(), 0);
    desk.bench.clock.advance(TimeDelta::seconds(1));
    assert_eq!(engine.prune_sync_runs().await.unwrap(), 1);
    assert_eq!(engine.sync_run(clean.id).await.unwrap(), None);
    assert_eq!(desk.items(&failed).await.len(), 2);
    engine
        .skip_item(desk.item(&failed, 2).await.id)
        .await
        .unwrap();
    assert_eq!(engine.prune_sync_runs().await.unwrap(), 1);
    assert_eq!(desk.bench.count("events_sync_items").await, 0);
}

/// Credentials that no key opens.
async fn spoil(desk: &DeskBench) {
    let bytes = match desk.bench.store.backend() {
        DbBackend::Postgres => r"'\x00'",
        _ => "x'00'",
    };
    let id = desk.integration.id;
    let sql = format!("UPDATE events_integrations SET credentials = {bytes} WHERE id = {id}");
    execute(&desk.bench, &sql).await;
}

async fn one_that_cannot_be_begun_takes_no_place_from_others(url: String) {
    let desk = DeskBench::new(url).await;
    let engine = &desk.bench.engine;
    let other = NewIntegration::new("desk", "Other").sync_every(15);
    let other = engine.create(other).await.unwrap().id;
    spoil(&desk).await;
    let scheduler = Scheduler::new(engine).concurrency(1);
    let ended = until("the other one is synced", async || {
        engine.sync_runs(other).await.unwrap().len() == 1
    });
    let scheduler = scheduler.poll_every(Duration::from_millis(10));
    scheduler.run_until(ended).await;
    // Section 4: the same where a program is itself started on a schedule, which hears of it.
    desk.bench.clock.advance(TimeDelta::minutes(15));
    let scheduler = Scheduler::new(engine).concurrency(1);
    let error = scheduler.run_due().await.unwrap_err();
    assert!(error.to_string().contains("credentials"), "{error}");
    assert_eq!(engine.sync_runs(other).await.unwrap().len(), 2);
}

async fn a_run_that_cannot_be_closed_keeps_no_other(url: String) {
    let desk = DeskBench::new(url).await;
    let engine = &desk.bench.engine;
    let other = NewIntegration::new("desk", "Other").sync_every(15);
    let other = engine.create(other).await.unwrap().id;
    desk.desk.finds([1]);
    desk.desk.0.lock().unwrap().gate = Some(Arc::new(Semaphore::new(0)));
    for (id, begun) in [(desk.integration.id, 1), (other, 2)] {
        let engine = engine.clone();
        let syncing = tokio::spawn(async move { engine.sync(id).await });
        until("it enumerates", async || {
            desk.desk.0.lock().unwrap().cursors.len() == begun
        })
        .await;
        // As a process that dies.
        syncing.abort();
        syncing.await.unwrap_err();
    }
    spoil(&desk).await;
    desk.leases_age(120).await;
    let started = Scheduler::new(engine).run_due().await.unwrap();
    assert_eq!(started, []);
    let run = &engine.sync_runs(other).await.unwrap()[0];
    assert_eq!(run.state.to_string(), "closed");
}

/// Whoever waits for ever where runs are reconciled keeps neither the next runs nor the end of the process.
async fn a_listener_that_hangs_keeps_no_scheduler(url: String) {
    let hangs = Arc::new(Semaphore::new(0));
    let entered = hangs.clone();
    let desk = DeskBench::with(url, |events| {
        events.listen_pattern("hangs", "integration.synced", move |_: &dyn AnyEvent| {
            entered.add_permits(1);
            std::future::pending::<()>()
        })
    })
    .await;
    let engine = &desk.bench.engine;
    desk.begin([1]).await;
    // As a worker that dies before it reconciles.
    let ended = "UPDATE events_sync_items SET state = 2";
    execute(&desk.bench, ended).await;
    let due = "UPDATE events_sync_runs SET reconcile_due = TRUE, finished = 1";
    execute(&desk.bench, due).await;
    let shutdown = async {
        hangs.acquire().await.unwrap().forget();
        let other = NewIntegration::new("desk", "Other").sync_every(15);
        let other = engine.create(other).await.unwrap().id;
        until("the other one is begun", async || {
            engine.sync_runs(other).await.unwrap().len() == 1
        })
        .await;
    };
    let scheduler = Scheduler::new(engine).poll_every(Duration::from_millis(10));
    let scheduler = scheduler.run_until(shutdown);
    let ended = tokio::time::timeout(Duration::from_mins(1), scheduler).await;
    ended.expect("it hears that it is to end");
}

on_both!(
    a_listener_that_hangs_keeps_no_scheduler,
    a_run_that_cannot_be_closed_keeps_no_other,
    one_that_cannot_be_begun_takes_no_place_from_others,
    a_run_is_due_when_its_interval_is_over,
    a_scheduler_that_stops_closes_what_it_enumerates,
    bad_health_slows_the_schedule_down,
    many_schedulers_run_what_ends_at_once_once,
    many_schedulers_start_each_run_once,
    old_runs_are_forgotten_but_not_those_with_failed_items,
    the_longest_interval_there_is_disturbs_no_other,
    the_providers_interval_counts_where_there_is_no_other,
    without_any_interval_nothing_is_due_by_itself,
);
