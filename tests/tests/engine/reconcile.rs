//! What follows when the last item of a run has ended (section 7.4).

use std::collections::BTreeSet;

use chrono::TimeDelta;
use events_std::{ItemStatus, NewIntegration, RunState};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use sea_orm::DbBackend;
use serde_json::{Value, json};

use crate::desk::{DeskBench, Fate, execute};
use crate::kit::on_both;

async fn jobs(desk: &DeskBench, event: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM events_jobs WHERE event = '{event}'");
    desk.bench.column(&sql).await[0]
}

/// Section 7.4: without failures the cursor moves to the merge of all checkpoints, and `mark_synced` runs.
async fn a_clean_run_moves_the_cursor(url: String) {
    let desk = DeskBench::new(url).await;
    let run = desk.sync([3, 9, 4]).await;
    let stored = desk.stored().await;
    assert_eq!(stored.sync_cursor, Some(json!(9)));
    assert_eq!(stored.last_synced_at, Some(desk.bench.events.now()));
    assert_eq!((run.state, run.reconcile_due), (RunState::Closed, false));
    assert_eq!(desk.heard().await, ["integration.synced", "sync.completed"]);
    // Monotonic: what is found again, with lower checkpoints, does not move it back.
    desk.sync([1]).await;
    assert_eq!(desk.stored().await.sync_cursor, Some(json!(9)));
}

/// Section 7.4: the checkpoints of all items count, also where their ids stand far apart.
async fn every_checkpoint_counts_wherever_its_item_stands(url: String) {
    let desk = DeskBench::new(url).await;
    for last in [1_001, 1_500, 2_501] {
        let run = desk.begin(last - 1_000..=last).await;
        let move_last: &[&str] = match desk.bench.store.backend() {
            _ if last == 1_001 => &[],
            DbBackend::Postgres => &[
                "SELECT setval(pg_get_serial_sequence('events_sync_items', 'id'), (SELECT MAX(id) + 3000 FROM events_sync_items))",
                "UPDATE events_sync_items SET id = DEFAULT WHERE id = (SELECT MAX(id) FROM events_sync_items)",
            ],
            _ => &[
                "UPDATE events_sync_items SET id = id + 3000 WHERE id = (SELECT MAX(id) FROM events_sync_items)",
            ],
        };
        let end = [
            "UPDATE events_sync_items SET state = 2",
            "UPDATE events_sync_runs SET reconcile_due = TRUE, finished = enumerated WHERE state = 1",
        ];
        for statement in move_last.iter().chain(&end) {
            execute(&desk.bench, statement).await;
        }
        assert_eq!(desk.bench.engine.reconcile().await.unwrap(), 1);
        assert!(desk.is_closed(&run).await);
        assert_eq!(desk.stored().await.sync_cursor, Some(json!(last)));
    }
}

/// Section 7.4: with failures the cursor stays, the schedule backs off, the log says so, and no `IntegrationSynced`
/// (section 2).
async fn a_run_with_failures_keeps_the_cursor_and_backs_off(url: String) {
    let desk = DeskBench::new(url).await;
    desk.sync([5]).await;
    desk.heard().await;
    let now = desk.bench.events.now();
    desk.plan().set(7, [Fate::Fails]);
    for (failures, minutes) in [(1, 15), (2, 30), (3, 60), (4, 120), (5, 240), (6, 240)] {
        let run = desk.sync([6, 7]).await;
        let stored = desk.stored().await;
        assert_eq!(stored.sync_cursor, Some(json!(5)));
        assert_eq!(stored.consecutive_sync_failures, failures);
        assert_eq!(stored.next_sync_at, Some(now + TimeDelta::minutes(minutes)));
        let log = desk.log(&run).await;
        assert_eq!(log.status, "partial");
        assert_eq!(log.result_data, Some(json!({"success": 1, "failed": 1})));
        assert_eq!(desk.heard().await, ["sync.item_failed", "sync.completed"]);
    }
    let run = desk.sync([7]).await;
    assert_eq!(desk.log(&run).await.status, "failed", "none succeeded");
    desk.heard().await;
    desk.sync([8]).await;
    let stored = desk.stored().await;
    assert_eq!(
        (stored.consecutive_sync_failures, stored.sync_cursor),
        (0, Some(json!(8)))
    );
    assert_eq!(stored.next_sync_at, Some(now + TimeDelta::minutes(15)));
}

/// Section 7.4 (better): decided exactly once per run, however many race.
async fn of_many_that_reconcile_at_once_one_does(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds([1, 2]);
    let started = desk.bench.engine.sync(desk.integration.id).await.unwrap();
    let run = started.assert_enumerated();
    let sql = "UPDATE events_sync_items SET state = 2";
    execute(&desk.bench, sql).await;
    execute(
        &desk.bench,
        "UPDATE events_sync_runs SET reconcile_due = TRUE",
    )
    .await;
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let engine = desk.bench.engine.clone();
        racing.spawn(async move { engine.reconcile().await.unwrap() });
    }
    assert_eq!(racing.join_all().await.into_iter().sum::<usize>(), 1);
    assert_eq!(jobs(&desk, "sync.completed").await, 1);
    let closed = desk.bench.engine.sync_run(run.id).await.unwrap().unwrap();
    assert_eq!(closed.state, RunState::Closed);
    assert_eq!(desk.heard().await, ["integration.synced", "sync.completed"]);
}

/// Section 7.4 (better): the acknowledgement that ends an item makes the reconciling due in its own transaction, so
/// that a crash right after it strands nothing.
async fn what_ended_is_reconciled_by_whoever_comes_next(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds([1]);
    desk.bench.engine.sync(desk.integration.id).await.unwrap();
    // As a worker leaves it that dies between its acknowledgement and the reconciling.
    execute(&desk.bench, "UPDATE events_sync_items SET state = 2").await;
    assert_eq!(
        desk.bench.engine.reconcile().await.unwrap(),
        0,
        "nobody said that it is due"
    );
    execute(
        &desk.bench,
        "UPDATE events_sync_runs SET reconcile_due = TRUE",
    )
    .await;
    assert_eq!(desk.bench.engine.reconcile().await.unwrap(), 1);
    assert_eq!(desk.bench.engine.reconcile().await.unwrap(), 0);
}

/// Section 7.4 (better): with the last failed item of a closed run retried with success, the cursor moves by itself;
/// `SyncCompleted` does not fire again, and the run stays closed (section 7.2).
async fn the_last_retry_of_a_closed_run_moves_the_cursor(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails]);
    desk.plan().set(3, [Fate::Fails]);
    let run = desk.sync([1, 2, 3]).await;
    desk.heard().await;
    let engine = &desk.bench.engine;
    for (ticket, cursor) in [(2, None), (3, Some(json!(3)))] {
        desk.plan().set(ticket, [Fate::Fails, Fate::Well]);
        let item = desk.item(&run, ticket).await;
        let item = engine.retry_item(item.id).await.unwrap();
        assert_eq!((item.status, item.attempts), (ItemStatus::Pending, 0));
        let after = engine.finish(run.clone()).await.unwrap();
        assert_eq!(
            (after.state, after.closed_at),
            (RunState::Closed, run.closed_at)
        );
        assert_eq!(desk.stored().await.sync_cursor, cursor);
    }
    assert!(desk.heard().await.is_empty());
}

/// Sections 7.4 and 7.5 (better): so does a skip, whose checkpoint counts.
async fn the_last_skip_of_a_closed_run_moves_the_cursor(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(9, [Fate::Fails]);
    let run = desk.sync([1, 9]).await;
    let (engine, item) = (&desk.bench.engine, desk.item(&run, 9).await);
    assert_eq!(desk.stored().await.sync_cursor, None);
    let item = engine.skip_item(item.id).await.unwrap();
    assert_eq!(item.status, ItemStatus::Skipped);
    assert_eq!(desk.stored().await.sync_cursor, Some(json!(9)));
    // Safe to repeat.
    assert_eq!(
        engine.skip_item(item.id).await.unwrap().status,
        ItemStatus::Skipped
    );
    desk.heard().await;
}

/// Section 7.4 (better): a later run's success marks an older failed row skipped, so that a late retry cannot put old
/// data over new.
async fn a_later_success_supersedes_an_older_failure(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails]);
    let first = desk.sync([1, 2]).await;
    let failed = desk.item(&first, 2).await;
    assert_eq!(failed.status, ItemStatus::Failed);
    desk.plan().set(2, [Fate::Well]);
    let second = desk.sync([2, 3]).await;
    let (old, new) = (desk.item(&first, 2).await, desk.item(&second, 2).await);
    assert_eq!(
        (old.status, old.superseded_by),
        (ItemStatus::Skipped, Some(new.id))
    );
    desk.plan().attempts();
    desk.bench.engine.retry_item(old.id).await.unwrap_err();
    assert!(desk.plan().attempts().is_empty());
    // An item of another id, or without success, supersedes nothing.
    desk.plan().set(4, [Fate::Fails]);
    let third = desk.sync([4]).await;
    desk.sync([5]).await;
    assert_eq!(desk.item(&third, 4).await.status, ItemStatus::Failed);
}

/// The same where the operator was quicker: the retry waits, the later run succeeds, and the retry does not run.
async fn a_retry_that_a_later_success_overtakes_does_not_run(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails]);
    let first = desk.sync([2]).await;
    let failed = desk.item(&first, 2).await;
    desk.bench.engine.retry_item(failed.id).await.unwrap();
    desk.plan().set(2, [Fate::Well]);
    let second = desk.sync([2]).await;
    desk.plan().attempts();
    desk.bench.engine.finish(first.clone()).await.unwrap();
    assert!(desk.plan().attempts().is_empty());
    let (old, new) = (desk.item(&first, 2).await, desk.item(&second, 2).await);
    assert_eq!(
        (old.status, old.superseded_by),
        (ItemStatus::Skipped, Some(new.id))
    );
    assert!(
        !desk
            .bench
            .engine
            .sync_run(first.id)
            .await
            .unwrap()
            .unwrap()
            .reconcile_due
    );
}

/// Section 7.4: values of mixed type are an error, which the run tells, and the cursor stays.
async fn checkpoints_that_do_not_fit_together_end_the_run_with_an_error(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.0.lock().unwrap().tickets = vec![(1, json!(1)), (2, json!("2"))];
    let run = desk
        .bench
        .engine
        .run_to_end(desk.integration.id)
        .await
        .unwrap();
    let run = run.assert_closed();
    let log = desk.log(&run).await;
    assert_eq!(log.status, "partial");
    assert!(log.error.unwrap().contains("do not fit together"));
    assert_eq!(desk.stored().await.sync_cursor, None);
    assert_eq!(desk.stored().await.consecutive_sync_failures, 1);
    assert_eq!(desk.heard().await, ["sync.completed"]);
}

/// One run of the property below: for each ticket whether it fails, and then whether it is retried, skipped or left.
type Story = Vec<Vec<(u64, bool, u8)>>;

/// Sections 7.4 and 7.5: whatever runs find, fail at and an operator does, the cursor never goes back, moves with a
/// clean run to its last checkpoint, and never passes an item of its run that is unresolved.
async fn the_cursor_keeps_its_promises(url: String) {
    let desk = DeskBench::new(url).await;
    let story = prop::collection::vec(
        prop::collection::vec((1_u64..30, prop::bool::weighted(0.3), 0_u8..3), 0..5),
        1..4,
    );
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    for _ in 0..40 {
        let story: Story = story.new_tree(&mut runner).unwrap().current();
        play(&desk, story).await;
    }
}

async fn play(desk: &DeskBench, story: Story) {
    let cursor = async || {
        desk.stored()
            .await
            .sync_cursor
            .as_ref()
            .and_then(Value::as_u64)
    };
    for run in story {
        let (before, engine) = (cursor().await, &desk.bench.engine);
        let tickets: BTreeSet<u64> = run.iter().map(|(ticket, ..)| *ticket).collect();
        let fails: BTreeSet<u64> = run
            .iter()
            .filter(|(_, fails, _)| *fails)
            .map(|(ticket, ..)| *ticket)
            .collect();
        for ticket in &tickets {
            let fate = if fails.contains(ticket) {
                Fate::Fails
            } else {
                Fate::Well
            };
            desk.plan().set(*ticket, [fate]);
        }
        let record = desk.sync(tickets.clone()).await;
        let expected = tickets.last().copied().max(before);
        let after = cursor().await;
        assert_eq!(
            after,
            if fails.is_empty() { expected } else { before },
            "{run:?}"
        );
        let mut open = fails.clone();
        for ticket in &fails {
            let (item, what) = (
                desk.item(&record, *ticket).await,
                run.iter().find(|(found, ..)| found == ticket).unwrap().2,
            );
            match what {
                0 => continue,
                1 => {
                    engine.skip_item(item.id).await.unwrap();
                }
                _ => {
                    desk.plan().set(*ticket, [Fate::Well]);
                    engine.retry_item(item.id).await.unwrap();
                    engine.finish(record.clone()).await.unwrap();
                }
            }
            open.remove(ticket);
            let expected = if open.is_empty() { expected } else { before };
            assert_eq!(cursor().await, expected, "{run:?}, open: {open:?}");
        }
    }
}

/// However many runs cannot be reconciled before, as for credentials that cannot be decrypted.
async fn runs_that_wait_are_not_in_the_way(url: String) {
    let desk = DeskBench::new(url).await;
    for number in 0..120 {
        let new = NewIntegration::new("desk", format!("Stuck {number}"));
        desk.bench.engine.create(new).await.unwrap();
    }
    let stuck = "INSERT INTO events_sync_runs (integration_id, log_id, state, reconcile_due, created_at, updated_at) \
                 SELECT id, 0, 1, TRUE, 0, 0 FROM events_integrations WHERE name LIKE 'Stuck %'";
    execute(&desk.bench, stuck).await;
    let bytes = match desk.bench.store.backend() {
        DbBackend::Postgres => r"'\x00'",
        _ => "x'00'",
    };
    let spoilt =
        format!("UPDATE events_integrations SET credentials = {bytes} WHERE name LIKE 'Stuck %'");
    execute(&desk.bench, &spoilt).await;
    let run = desk.begin([1]).await;
    for ended in [
        "UPDATE events_sync_items SET state = 2",
        "UPDATE events_sync_runs SET reconcile_due = TRUE, finished = enumerated",
    ] {
        execute(&desk.bench, ended).await;
    }
    assert_eq!(desk.bench.engine.reconcile().await.unwrap(), 1);
    assert!(desk.is_closed(&run).await);
}

on_both!(
    runs_that_wait_are_not_in_the_way,
    a_clean_run_moves_the_cursor,
    a_later_success_supersedes_an_older_failure,
    a_retry_that_a_later_success_overtakes_does_not_run,
    a_run_with_failures_keeps_the_cursor_and_backs_off,
    checkpoints_that_do_not_fit_together_end_the_run_with_an_error,
    every_checkpoint_counts_wherever_its_item_stands,
    of_many_that_reconcile_at_once_one_does,
    the_cursor_keeps_its_promises,
    the_last_retry_of_a_closed_run_moves_the_cursor,
    the_last_skip_of_a_closed_run_moves_the_cursor,
    what_ended_is_reconciled_by_whoever_comes_next,
);
