//! Items that are retried after their run was closed, while a later run does the same work (section 7.4).

use chrono::TimeDelta;
use events_core::{State, listener};
use events_std::{ItemAttempt, ItemStatus, Tx};
use sea_orm::ConnectionTrait;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

use crate::desk::{DeskBench, Fate, TicketSynced, execute, until};
use crate::kit::{on_both, on_postgres};

/// Where the items of one run wait.
#[derive(Clone)]
struct Gate {
    run: Arc<Mutex<Option<i64>>>,
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self {
            run: Arc::default(),
            arrived: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
        }
    }

    async fn pass(&self, run_id: i64) {
        let waits = *self.run.lock().unwrap() == Some(run_id);
        if waits {
            self.arrived.add_permits(1);
            self.open.acquire().await.unwrap().forget();
        }
    }
}

#[listener(TicketSynced, priority = 10, handle = PASSES)]
async fn passes(_: &TicketSynced, item: ItemAttempt, gate: &State<Gate>) {
    gate.pass(item.run_id).await;
}

#[listener(TicketSynced, priority = 10, handle = WRITES)]
async fn writes(
    _: &TicketSynced,
    item: ItemAttempt,
    gate: &State<Gate>,
    tx: &Tx,
) -> Result<(), sea_orm::DbErr> {
    let sql = format!("INSERT INTO written (run) VALUES ({})", item.run_id);
    tx.execute_unprepared(&sql).await?;
    gate.pass(item.run_id).await;
    Ok(())
}

/// A retry of an item runs, and a later run does its work; then the retry goes on, and ends so.
async fn overtaken(desk: &DeskBench, gate: &Gate, ends: Fate) -> [i64; 2] {
    desk.plan().set(2, [Fate::Fails]);
    let first = desk.sync([2]).await;
    let old = desk.item(&first, 2).await;
    assert_eq!(old.status, ItemStatus::Failed);
    *gate.run.lock().unwrap() = Some(first.id);
    desk.plan().set(2, [Fate::Well]);
    desk.bench.engine.retry_item(old.id).await.unwrap();
    let (engine, run) = (desk.bench.engine.clone(), first.clone());
    let finishing = tokio::spawn(async move { engine.finish(run).await });
    gate.arrived.acquire().await.unwrap().forget();
    let second = desk.sync([2]).await;
    let new = desk.item(&second, 2).await;
    assert_eq!(new.status, ItemStatus::Success);
    desk.plan().set(2, [ends]);
    desk.bench.heard.take();
    gate.open.add_permits(10);
    finishing.await.unwrap().unwrap();
    let old = desk.item(&first, 2).await;
    assert_eq!(
        (old.status, old.superseded_by),
        (ItemStatus::Skipped, Some(new.id))
    );
    [first.id, second.id]
}

async fn a_retry_that_ends_well_after_a_later_success_is_superseded(url: String) {
    let gate = Gate::new();
    let state = gate.clone();
    let desk = DeskBench::with(url, |builder| builder.state(state).register(PASSES)).await;
    overtaken(&desk, &gate, Fate::Well).await;
}

async fn a_retry_that_fails_for_good_after_a_later_success_is_superseded(url: String) {
    let gate = Gate::new();
    let state = gate.clone();
    let desk = DeskBench::with(url, |builder| builder.state(state).register(PASSES)).await;
    overtaken(&desk, &gate, Fate::Fails).await;
    assert!(!desk.bench.heard.names().contains(&"sync.item_failed"));
}

/// The later run's item waits for its provider's patience; the retry waits for that item, and is superseded by it.
async fn a_retry_waits_for_the_item_of_a_later_run(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails]);
    let first = desk.sync([2]).await;
    let old = desk.item(&first, 2).await;
    desk.plan().take();
    desk.plan().set(2, [Fate::Limited(40), Fate::Well]);
    let second = desk.begin([2]).await;
    let error = async |run| desk.item(run, 2).await.error.unwrap_or_default();
    let test = async {
        until("the later run's item is put off", async || {
            error(&second).await.contains("comments")
        })
        .await;
        desk.bench.engine.retry_item(old.id).await.unwrap();
        until("the retry is put off", async || {
            error(&first).await.contains("a later run")
        })
        .await;
        assert_eq!(desk.item(&first, 2).await.attempts, 0, "no attempt");
        until("the retry has ended", async || {
            desk.bench.clock.advance(TimeDelta::seconds(10));
            desk.item(&first, 2).await.status == ItemStatus::Skipped
        })
        .await;
    };
    desk.worker().run_until(test).await.unwrap();
    let new = desk.item(&second, 2).await;
    assert_eq!(new.status, ItemStatus::Success);
    assert_eq!(desk.item(&first, 2).await.superseded_by, Some(new.id));
    let attempts = desk.plan().take();
    assert!(attempts.iter().all(|(_, _, item)| item.run_id == second.id));
}

/// Where the later run's item comes to nothing, the retry runs.
async fn a_retry_runs_after_the_item_of_a_later_run_has_failed(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails]);
    let first = desk.sync([2]).await;
    desk.plan().set(2, [Fate::FailsForGood, Fate::Well]);
    let second = desk.begin([2]).await;
    let old = desk.item(&first, 2).await;
    desk.bench.engine.retry_item(old.id).await.unwrap();
    desk.serve_until("the retry has ended", async || {
        desk.item(&first, 2).await.status == ItemStatus::Success
    })
    .await;
    assert_eq!(desk.item(&second, 2).await.status, ItemStatus::Failed);
}

/// One that hung while a later run did its work is skipped as superseded, without an event.
async fn a_retry_that_is_reclaimed_after_a_later_success_is_superseded(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails]);
    let first = desk.sync([2]).await;
    let old = desk.item(&first, 2).await;
    desk.plan().set(2, [Fate::Well]);
    let second = desk.sync([2]).await;
    let new = desk.item(&second, 2).await;
    desk.heard().await;
    // As a worker leaves it that hangs, whose retry began before the success.
    let hangs = format!(
        "UPDATE events_sync_items SET state = 1, superseded_by = NULL, worker = 1 WHERE id = {}",
        old.id
    );
    execute(&desk.bench, &hangs).await;
    let hour = Duration::from_hours(1);
    desk.bench.clock.advance(TimeDelta::hours(1));
    let reclaimed = desk.bench.engine.reclaim_items(hour).await.unwrap();
    let [item] = &reclaimed[..] else {
        panic!("{reclaimed:?}");
    };
    assert_eq!(
        (item.id, item.status, item.superseded_by),
        (old.id, ItemStatus::Skipped, Some(new.id))
    );
    assert!(!desk.heard().await.contains(&"sync.item_failed"));
}

on_both!(
    a_retry_runs_after_the_item_of_a_later_run_has_failed,
    a_retry_that_is_reclaimed_after_a_later_success_is_superseded,
    a_retry_waits_for_the_item_of_a_later_run,
    a_retry_that_ends_well_after_a_later_success_is_superseded,
    a_retry_that_fails_for_good_after_a_later_success_is_superseded,
);

/// On SQLite a transaction is alone: nothing ends while it is open.
#[test]
fn what_a_retry_wrote_is_undone_where_a_later_run_has_done_its_work() {
    on_postgres(
        "what_a_retry_wrote_is_undone_where_a_later_run_has_done_its_work",
        async |url| {
            let gate = Gate::new();
            let state = gate.clone();
            let desk = DeskBench::with(url, |builder| builder.state(state).register(WRITES)).await;
            execute(&desk.bench, "CREATE TABLE written (run BIGINT)").await;
            let [_, second] = overtaken(&desk, &gate, Fate::Well).await;
            let written = desk.bench.column::<i64>("SELECT run FROM written").await;
            assert_eq!(written, [second]);
        },
    );
}
