//! Items that are retried after their run was closed, while a later run does the same work (section 7.4).

use events_core::{State, listener};
use events_std::{ItemAttempt, ItemStatus, Tx};
use sea_orm::ConnectionTrait;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

use crate::desk::{DeskBench, Fate, TicketSynced, execute};
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

on_both!(
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
