//! Items on the durable worker, beside jobs (sections 7.3 and 7.5, and section 1.7 of claims).

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use events_core::{Event, State, listener};
use events_std::{ItemStatus, NewIntegration, RunState, Store, Tx, Worker, WorkerError};
use sea_orm::{ConnectionTrait, DbBackend};
use tokio::sync::Semaphore;

use crate::desk::{DeskBench, Fate, TicketSynced, execute, until};
use crate::kit::{Bench, on_both};

async fn workers(bench: &Bench) -> i64 {
    bench.count("events_workers").await
}

/// A run to its end: items, the retries of one that fails once, the end of one that fails for good, reconciling, and the
/// announcement, which is a job.
async fn one_worker_serves_jobs_and_items(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails, Fate::Well]);
    desk.plan().set(3, [Fate::Panics]);
    let run = desk.begin([1, 2, 3, 4]).await;
    desk.serve_until("the run is closed", async || desk.is_closed(&run).await)
        .await;
    let run = desk.run(&run).await;
    assert_eq!((run.enumerated, run.finished), (4, 4));
    let standing: Vec<_> = desk
        .items(&run)
        .await
        .iter()
        .map(|item| (item.status, item.attempts))
        .collect();
    assert_eq!(
        standing,
        [
            (ItemStatus::Success, 1),
            (ItemStatus::Success, 2),
            (ItemStatus::Failed, 5),
            (ItemStatus::Success, 1),
        ]
    );
    let mut heard = desk.heard().await;
    heard.sort_unstable();
    assert_eq!(heard, ["sync.completed", "sync.item_failed"]);
    assert_eq!(desk.stored().await.sync_cursor, None);
}

/// The waits between the attempts of an item are kept by the worker.
async fn an_item_is_not_tried_again_before_its_time(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(1, [Fate::Fails, Fate::Well]);
    let new = NewIntegration::new("desk", "Other");
    let other = desk.bench.engine.create(new).await.unwrap();
    let run = desk.begin([1]).await;
    desk.desk.finds([2]);
    let pending = async || {
        let item = desk.item(&run, 1).await;
        item.status == ItemStatus::Pending && item.attempts == 1
    };
    let test = async {
        until("it has failed once", pending).await;
        desk.bench.clock.advance(TimeDelta::milliseconds(9_999));
        // The worker looks: another run passes by.
        let other = desk.bench.engine.sync(other.id).await.unwrap();
        let other = other.assert_enumerated();
        until("the other is closed", async || desk.is_closed(&other).await).await;
        assert!(pending().await);
        desk.bench.clock.advance(TimeDelta::milliseconds(1));
        until("the run is closed", async || desk.is_closed(&run).await).await;
    };
    desk.worker().run_until(test).await.unwrap();
    assert_eq!(desk.plan().attempts(), [(1, 1), (2, 1), (1, 2)]);
}

/// `drain` counts items, the reconciling behind them, and the jobs behind that.
async fn drain_works_until_the_runs_are_closed_and_told_of(url: String) {
    let desk = DeskBench::new(url).await;
    let run = desk.begin(1..=250).await;
    let left = desk.worker().drain().await.unwrap();
    assert!(left.ended >= 250, "{left:?}");
    assert!(desk.is_closed(&run).await);
    let heard = desk.bench.heard.names();
    let count = |name| heard.iter().filter(|heard| **heard == name).count();
    assert_eq!(count("desk.ticket.synced"), 250);
    assert_eq!(count("sync.completed"), 1);
    assert_eq!(desk.stored().await.sync_cursor, Some(250.into()));
    assert_eq!(desk.plan().attempts().len(), 250);
    assert_eq!(workers(&desk.bench).await, 0);
}

/// An idle worker is woken when a run opens: by the process itself, and by another one on Postgres.
async fn a_worker_wakes_when_a_run_opens(url: String) {
    let desk = DeskBench::new(url).await;
    let mut from = vec![desk.bench.engine.clone()];
    let store = Store::connect(&desk.bench.url).await.unwrap();
    if store.backend() == DbBackend::Postgres {
        let other = events_std::Integrations::builder(&store)
            .without_linked()
            .provider(desk.desk.clone())
            .build()
            .unwrap();
        from.push(other.with_events(&desk.bench.events));
    }
    let test = async {
        until("it works", async || workers(&desk.bench).await == 1).await;
        for engine in &from {
            desk.desk.finds([1]);
            let run = engine.sync(desk.integration.id).await.unwrap();
            let run = run.assert_enumerated();
            until("the run is closed", async || desk.is_closed(&run).await).await;
        }
    };
    let worker = desk.worker().poll_every(Duration::from_hours(1));
    worker.run_until(test).await.unwrap();
    assert_eq!(desk.plan().attempts().len(), from.len());
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

mod turns {
    use super::*;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "engine.worker.chore")]
    struct Chore;

    #[listener(Chore, queue)]
    async fn works(_: &Chore, log: &State<Log>) {
        log.write("job");
    }

    /// Jobs and items take turns, and so do the items of two runs: however much one has to do, the others go on.
    pub(super) async fn jobs_and_the_items_of_all_runs_take_turns(url: String) {
        let log = Log::default();
        let (state, items) = (log.clone(), log.clone());
        let desk = DeskBench::with(url, |builder| {
            builder.only_linked_in(module_path!()).state(state).listen(
                "turns.item",
                move |event: &TicketSynced| {
                    items.write(format!("item of {}", event.integration.name));
                    async {}
                },
            )
        })
        .await;
        let other = NewIntegration::new("desk", "Other");
        let other = desk.bench.engine.create(other).await.unwrap();
        desk.begin(1..=10).await;
        desk.bench.engine.sync(other.id).await.unwrap();
        for _ in 0..10 {
            desk.bench.events.dispatch(&Chore).await.unwrap();
        }
        desk.worker().concurrency(1).drain().await.unwrap();
        let lines = log.lines();
        assert_eq!(lines.len(), 30);
        // While all three have something to do, none of them has the place twice within four turns.
        for window in lines[..12].windows(4) {
            for kind in ["job", "item of Support", "item of Other"] {
                let count = window.iter().filter(|line| *line == kind).count();
                assert!((1..=2).contains(&count), "{kind} in {lines:?}");
            }
        }
    }
}
use turns::jobs_and_the_items_of_all_runs_take_turns;

/// What still runs when the grace time is over is given back with its attempt.
async fn items_are_given_back_at_the_shutdown(url: String) {
    let gate = Arc::new(Semaphore::new(0));
    let waits = gate.clone();
    let desk = DeskBench::with(url, |builder| {
        builder.listen("back.waits", move |_: &TicketSynced| {
            let waits = waits.clone();
            async move { waits.acquire().await.unwrap().forget() }
        })
    })
    .await;
    let run = desk.begin([1, 2]).await;
    let processing = async || {
        let items = desk.items(&run).await;
        items
            .iter()
            .all(|item| item.status == ItemStatus::Processing)
    };
    let worker = desk.worker().grace(Duration::ZERO);
    let left = worker
        .run_until(until("both run", processing))
        .await
        .unwrap();
    assert_eq!((left.released, left.ended), (2, 0));
    for item in desk.items(&run).await {
        assert_eq!((item.status, item.attempts), (ItemStatus::Pending, 0));
    }
    gate.add_permits(2);
    desk.worker().drain().await.unwrap();
    assert!(desk.is_closed(&run).await);
}

/// A time in which an item can be written on a busy machine: so long the end of one that has failed may take too.
const SHORT: Duration = Duration::from_millis(300);

/// Section 7.3: a timeout ends an attempt, as an error does; on the last one the reason is `timed_out`.
async fn an_attempt_that_takes_too_long_is_ended(url: String) {
    let desk = DeskBench::with_timeout(SHORT, url, |builder| {
        builder.listen("slow.hangs", |event: &TicketSynced| {
            let hangs = event.ticket == 1;
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
            }
        })
    })
    .await;
    let run = desk.begin([1, 2]).await;
    desk.serve_until("the run is closed", async || desk.is_closed(&run).await)
        .await;
    let item = desk.item(&run, 1).await;
    assert_eq!((item.status, item.attempts), (ItemStatus::Failed, 5));
    assert_eq!(
        item.error.as_deref(),
        Some("the attempt took longer than 300ms")
    );
    let kinds: Vec<String> = desk
        .bench
        .column("SELECT error_kind FROM events_sync_items WHERE state = 3")
        .await;
    assert_eq!(kinds, ["timed_out"]);
    assert_eq!(desk.item(&run, 2).await.status, ItemStatus::Success);
}

/// As above, for listeners that ask for the item's transaction: what they wrote is undone.
mod in_the_transaction {
    use super::*;

    #[listener(TicketSynced, priority = 10, handle = HANGS)]
    async fn hangs(event: &TicketSynced, tx: &Tx) -> Result<(), sea_orm::DbErr> {
        let sql = format!("INSERT INTO written (ticket) VALUES ({})", event.ticket);
        tx.execute_unprepared(&sql).await?;
        if event.ticket == 1 {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    pub(super) async fn a_transaction_that_takes_too_long_is_rolled_back(url: String) {
        let desk = DeskBench::with_timeout(SHORT, url, |builder| builder.register(HANGS)).await;
        execute(&desk.bench, "CREATE TABLE written (ticket BIGINT)").await;
        let run = desk.begin([1, 2, 3]).await;
        desk.serve_until("the run is closed", async || desk.is_closed(&run).await)
            .await;
        let sql = "SELECT ticket FROM written ORDER BY ticket";
        assert_eq!(desk.bench.column::<i64>(sql).await, [2, 3]);
        let item = desk.item(&run, 1).await;
        assert_eq!((item.status, item.attempts), (ItemStatus::Failed, 5));
    }
}
use in_the_transaction::a_transaction_that_takes_too_long_is_rolled_back;

/// Where a listener hangs that blocks, until the test lets it go.
#[derive(Clone, Default)]
struct Trap(Arc<(Mutex<bool>, Condvar)>);

impl Trap {
    fn enter(&self) {
        let (open, opened) = &*self.0;
        let open = open.lock().unwrap();
        drop(opened.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// A sync listener runs on a thread that may block. One that does not come back is left there: the item is tried again,
/// and what the first attempt comes to in the end changes nothing.
async fn a_listener_that_blocks_for_ever_is_left(url: String) {
    let (trap, log) = (Trap::default(), Log::default());
    let (first, told) = (trap.clone(), log.clone());
    // Enough for the second attempt on a busy machine.
    let timeout = Duration::from_secs(1);
    let desk = DeskBench::with_timeout(timeout, url, |builder| {
        builder.listen("blocks.once", move |_: &TicketSynced| {
            told.write("begins");
            if told.lines().len() == 1 {
                first.enter();
                told.write("let go");
            }
        })
    })
    .await;
    let run = desk.begin([1]).await;
    let test = until("the run is closed", async || {
        desk.bench.clock.advance(TimeDelta::seconds(30));
        desk.is_closed(&run).await
    });
    let left = desk.worker().run_until(test).await.unwrap();
    assert_eq!(left.abandoned, 1);
    assert!(left.ended >= 2, "{left:?}");
    trap.open();
    until("it was let go", async || log.lines().len() == 3).await;
    let item = desk.item(&run, 1).await;
    assert_eq!((item.status, item.attempts), (ItemStatus::Success, 2));
    assert_eq!(desk.run(&run).await.finished, 1);
}

/// An item whose event or version no worker knows stays, for whoever knows it; after 7 days in which workers lived it
/// fails.
async fn an_item_that_nobody_knows_stays_for_seven_days(url: String) {
    let desk = DeskBench::new(url).await;
    let run = desk.begin([1, 2]).await;
    let sql = "UPDATE events_sync_items SET version = 9 WHERE external_id = '2'";
    execute(&desk.bench, sql).await;
    desk.worker().drain().await.unwrap();
    assert_eq!(desk.item(&run, 1).await.status, ItemStatus::Success);
    // A time in which no worker lived: whoever knows it may only be about to start.
    desk.bench.clock.advance(TimeDelta::days(30));
    for _ in 0..8 {
        assert_eq!(desk.item(&run, 2).await.status, ItemStatus::Pending);
        desk.worker().drain().await.unwrap();
        desk.bench.clock.advance(TimeDelta::days(1));
    }
    desk.worker().drain().await.unwrap();
    assert!(desk.is_closed(&run).await);
    let item = desk.item(&run, 2).await;
    assert_eq!((item.status, item.attempts), (ItemStatus::Failed, 0));
    let kinds: Vec<String> = desk
        .bench
        .column("SELECT error_kind FROM events_sync_items WHERE state = 3")
        .await;
    assert_eq!(kinds, ["undecodable"]);
    assert_eq!(
        desk.heard().await,
        ["sync.item_failed", "sync.completed"],
        "it is told of as any other"
    );
}

/// An item that fails for good, but cannot be told of, waits; and nothing else waits for it.
async fn an_item_whose_integration_cannot_be_read_waits(url: String) {
    let desk = DeskBench::new(url).await;
    let new = NewIntegration::new("desk", "Other");
    let other = desk.bench.engine.create(new).await.unwrap();
    let run = desk.begin([1]).await;
    let found = desk.bench.engine.sync(other.id).await.unwrap();
    let found = found.assert_enumerated();
    let bytes = match desk.bench.store.backend() {
        DbBackend::Postgres => "'\\x00'::bytea",
        _ => "x'00'",
    };
    let spoil = format!(
        "UPDATE events_integrations SET credentials = {bytes} WHERE id = {}",
        desk.integration.id
    );
    execute(&desk.bench, &spoil).await;
    desk.serve_until("the end was tried twice", async || {
        let sql = "SELECT fence FROM events_sync_items ORDER BY id LIMIT 1";
        desk.bench.column::<i64>(sql).await[0] > 6
    })
    .await;
    assert!(desk.is_closed(&found).await, "the other run goes on");
    assert_eq!(desk.run(&run).await.state, RunState::Open);
    assert_eq!(desk.item(&run, 1).await.status, ItemStatus::Pending);
    execute(
        &desk.bench,
        "UPDATE events_integrations SET credentials = NULL",
    )
    .await;
    desk.serve_until("the run is closed", async || desk.is_closed(&run).await)
        .await;
    assert_eq!(desk.item(&run, 1).await.status, ItemStatus::Success);
    assert!(!desk.heard().await.contains(&"sync.item_failed"));
}

async fn integrations_on_another_store_are_refused(url: String) {
    let desk = DeskBench::new(url).await;
    let other = Store::connect(&desk.bench.url).await.unwrap();
    let worker = Worker::new(&desk.bench.events, &other).sync_items(&desk.bench.engine);
    let error = worker.drain().await.unwrap_err();
    assert!(matches!(error, WorkerError::OtherStore), "{error}");
}

on_both!(
    a_listener_that_blocks_for_ever_is_left,
    a_transaction_that_takes_too_long_is_rolled_back,
    a_worker_wakes_when_a_run_opens,
    an_attempt_that_takes_too_long_is_ended,
    an_item_is_not_tried_again_before_its_time,
    an_item_that_nobody_knows_stays_for_seven_days,
    an_item_whose_integration_cannot_be_read_waits,
    drain_works_until_the_runs_are_closed_and_told_of,
    integrations_on_another_store_are_refused,
    items_are_given_back_at_the_shutdown,
    jobs_and_the_items_of_all_runs_take_turns,
    one_worker_serves_jobs_and_items,
);
