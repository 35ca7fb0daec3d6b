//! What an operator does with items, and how far runs have come (section 7.5).

use std::time::Duration;

use chrono::TimeDelta;
use events_std::{ItemFilter, ItemStatus, RunState, SyncRunError};

use crate::desk::execute;
use crate::desk::{DeskBench, Fate};
use crate::kit::on_both;

async fn only_failed_items_are_retried_or_skipped_and_both_may_be_repeated(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails]);
    let run = desk.sync([1, 2]).await;
    let engine = &desk.bench.engine;
    let well = desk.item(&run, 1).await.id;
    for error in [engine.retry_item(well).await, engine.skip_item(well).await] {
        let error = error.unwrap_err();
        assert!(matches!(error, SyncRunError::NotFailed { .. }), "{error}");
    }
    let error = engine.retry_item(well + 1_000).await.unwrap_err();
    assert!(matches!(error, SyncRunError::NoItem(_)), "{error}");
    let failed = ItemFilter::new()
        .integration(desk.integration.id)
        .status(ItemStatus::Failed);
    let listed = engine.sync_items(&failed).await.unwrap();
    assert_eq!(listed, [desk.item(&run, 2).await]);
    let once = engine.retry_item(listed[0].id).await.unwrap();
    let twice = engine.retry_item(listed[0].id).await.unwrap();
    assert_eq!((once.status, twice), (ItemStatus::Pending, once));
    let error = engine.skip_item(listed[0].id).await.unwrap_err();
    assert!(error.to_string().contains("is pending"), "{error}");
    // It fails for good again, and is told of again.
    desk.heard().await;
    engine.finish(run.clone()).await.unwrap();
    assert_eq!(desk.heard().await, ["sync.item_failed"]);
    assert_eq!(desk.item(&run, 2).await.attempts, 5);
}

/// Section 7.5: items that have been processing past a threshold become failed and their run reconciles; whoever held
/// one writes nothing any more.
async fn items_that_hang_are_reclaimed(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds([1, 2]);
    let started = desk.bench.engine.sync(desk.integration.id).await.unwrap();
    let run = started.assert_enumerated();
    let engine = &desk.bench.engine;
    // As a worker leaves them that hangs.
    execute(
        &desk.bench,
        "UPDATE events_sync_items SET state = 1, attempts = 1, fence = 1, worker = 1",
    )
    .await;
    let hour = Duration::from_hours(1);
    assert!(engine.reclaimable_items(hour).await.unwrap().is_empty());
    desk.bench.clock.advance(TimeDelta::hours(1));
    assert_eq!(
        engine.reclaimable_items(hour).await.unwrap().len(),
        2,
        "a dry listing"
    );
    let reclaimed = engine.reclaim_items(hour).await.unwrap();
    assert!(
        reclaimed
            .iter()
            .all(|item| item.status == ItemStatus::Failed)
    );
    assert_eq!(engine.reclaim_items(hour).await.unwrap(), []);
    let run = engine.sync_run(run.id).await.unwrap().unwrap();
    assert_eq!(run.state, RunState::Closed);
    let kinds = desk
        .bench
        .column::<String>("SELECT error_kind FROM events_sync_items")
        .await;
    assert_eq!(kinds, ["reclaimed", "reclaimed"]);
    let fences = desk
        .bench
        .column::<i64>("SELECT fence FROM events_sync_items")
        .await;
    assert_eq!(fences, [2, 2], "the hold of the one that hangs is over");
    assert_eq!(
        desk.heard().await,
        ["sync.item_failed", "sync.item_failed", "sync.completed"]
    );
}

/// As all that is written, within a transaction too: it stands or falls with that.
async fn items_are_reclaimed_within_a_transaction(url: String) {
    let desk = DeskBench::new(url).await;
    let run = desk.begin([1, 2]).await;
    let hang = "UPDATE events_sync_items SET state = 1, attempts = 1, fence = 1, worker = 1";
    execute(&desk.bench, hang).await;
    desk.bench.clock.advance(TimeDelta::hours(1));
    let (engine, hour) = (&desk.bench.engine, Duration::from_hours(1));
    let store = desk.bench.store.with_events(&desk.bench.events);
    for commits in [false, true] {
        let reclaiming = store.transaction(async |tx| {
            let reclaimed = engine.within(tx).reclaim_items(hour).await?;
            assert_eq!(reclaimed.len(), 2);
            if commits {
                Ok(())
            } else {
                Err(SyncRunError::NoItem(0))
            }
        });
        assert_eq!(reclaiming.await.is_ok(), commits);
        let left = engine.reclaimable_items(hour).await.unwrap().len();
        assert_eq!(left, if commits { 0 } else { 2 });
    }
    assert_eq!(engine.reconcile().await.unwrap(), 1);
    assert!(desk.is_closed(&run).await);
}

async fn the_progress_of_a_run_is_told(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(4, [Fate::Fails]);
    desk.desk.finds(1..=4);
    let engine = &desk.bench.engine;
    assert!(
        engine
            .sync_status(desk.integration.id)
            .await
            .unwrap()
            .is_none()
    );
    let started = engine.sync(desk.integration.id).await.unwrap();
    let run = started.assert_enumerated();
    let progress = engine.progress(run.id).await.unwrap();
    assert_eq!(
        (progress.enumerated, progress.done, progress.failed),
        (4, 0, 0)
    );
    assert_eq!((progress.pending(), progress.estimate), (4, None));
    // Half of them in ten seconds: the other half takes ten more.
    execute(&desk.bench, "UPDATE events_sync_runs SET finished = 2").await;
    desk.bench.clock.advance(TimeDelta::seconds(10));
    let progress = engine.progress(run.id).await.unwrap();
    assert!((progress.rate - 0.2).abs() < 1e-9, "{progress:?}");
    assert_eq!(progress.estimate, Some(Duration::from_secs(10)));
    execute(&desk.bench, "UPDATE events_sync_runs SET finished = 0").await;
    engine.finish(run).await.unwrap();
    let (run, progress) = engine
        .sync_status(desk.integration.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (progress.done, progress.failed, progress.pending()),
        (3, 1, 0)
    );
    assert_eq!(
        (run.state, progress.estimate),
        (RunState::Closed, Some(Duration::ZERO))
    );
    let error = engine.progress(run.id + 1).await.unwrap_err();
    assert!(matches!(error, SyncRunError::NoRun(_)), "{error}");
}

/// Section 3: deleting an integration deletes what it owns.
async fn deleting_an_integration_deletes_its_runs_and_items(url: String) {
    let desk = DeskBench::new(url).await;
    desk.sync([1, 2]).await;
    desk.desk.finds([3]);
    desk.bench.engine.sync(desk.integration.id).await.unwrap();
    desk.bench.engine.delete(desk.integration.id).await.unwrap();
    for table in ["events_sync_runs", "events_sync_items", "events_operations"] {
        assert_eq!(desk.bench.count(table).await, 0, "{table}");
    }
    assert_eq!(desk.bench.engine.reconcile().await.unwrap(), 0);
}

on_both!(
    items_are_reclaimed_within_a_transaction,
    deleting_an_integration_deletes_its_runs_and_items,
    items_that_hang_are_reclaimed,
    only_failed_items_are_retried_or_skipped_and_both_may_be_repeated,
    the_progress_of_a_run_is_told,
);
