//! Items: attempts, waits, endings, and what listeners see of them (section 7.3).

use chrono::TimeDelta;
use events_core::{Event, State, listener};
use events_std::{ItemStatus, Tx, Worker};
use sea_orm::ConnectionTrait;

use tokio::sync::Semaphore;

use crate::desk::{DeskBench, Fate, TicketSynced, execute, until};
use crate::kit::on_both;

/// Section 7.3: at most 5 counted attempts, and listeners see which one it is, and of which item.
async fn an_item_is_tried_five_times_and_then_fails(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails]);
    let run = desk.sync([1, 2]).await;
    let attempts: Vec<_> = desk
        .plan()
        .take()
        .into_iter()
        .filter(|(ticket, ..)| *ticket == 2)
        .collect();
    let numbers: Vec<_> = attempts
        .iter()
        .map(|(_, attempt, _)| attempt.number)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert!(
        attempts
            .iter()
            .all(|(_, attempt, _)| attempt.max == Some(5))
    );
    let last: Vec<_> = attempts
        .iter()
        .map(|(_, attempt, _)| attempt.likely_final)
        .collect();
    assert_eq!(last, [false, false, false, false, true]);
    let item = desk.item(&run, 2).await;
    let seen = &attempts[0].2;
    assert_eq!((seen.item_id, seen.run_id), (item.id, run.id));
    assert_eq!(seen.external_id.as_deref(), Some("2"));
    assert_eq!((item.status, item.attempts), (ItemStatus::Failed, 5));
    assert_eq!(item.error.as_deref(), Some("ticket 2 cannot be stored"));
    assert_eq!(item.completed_at, Some(desk.bench.events.now()));
    assert_eq!(desk.item(&run, 1).await.status, ItemStatus::Success);
}

/// A listener that says that no further attempt would help ends its item at once.
async fn an_item_that_cannot_succeed_fails_at_once(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::FailsForGood]);
    let run = desk.sync([1, 2]).await;
    let item = desk.item(&run, 2).await;
    assert_eq!((item.status, item.attempts), (ItemStatus::Failed, 1));
    assert_eq!(item.error.as_deref(), Some("the ticket is beyond repair"));
    assert_eq!(desk.item(&run, 1).await.status, ItemStatus::Success);
}

/// Section 7.3: after its attempts an item waits 10, 30, 120 and 300 s, as its row says; the fifth is the last.
async fn the_waits_between_attempts_stand_in_the_row(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(1, [Fate::Fails]);
    let run = desk.begin([1]).await;
    let test = async {
        for (attempts, wait) in [(1, 10), (2, 30), (3, 120), (4, 300)] {
            until("the attempt has failed", async || {
                let item = desk.item(&run, 1).await;
                item.status == ItemStatus::Pending && item.attempts == attempts
            })
            .await;
            let due = desk
                .bench
                .column::<i64>("SELECT run_at FROM events_sync_items");
            let now = desk.bench.events.now().timestamp_millis();
            assert_eq!(due.await, [now + wait * 1_000], "attempt {attempts}");
            desk.bench.clock.advance(TimeDelta::seconds(wait));
        }
        until("the run is closed", async || desk.is_closed(&run).await).await;
    };
    desk.worker().run_until(test).await.unwrap();
    let item = desk.item(&run, 1).await;
    assert_eq!((item.status, item.attempts), (ItemStatus::Failed, 5));
}

/// Section 2, `SyncItemFailed`: once, with the row already `failed`; not for what ended well.
async fn a_failed_item_is_told_of_once_with_its_row_failed(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(2, [Fate::Fails]);
    desk.plan().set(3, [Fate::Fails, Fate::Well]);
    desk.sync([1, 2, 3]).await;
    desk.bench.work().await;
    let heard = desk.bench.heard.take();
    let failed: Vec<_> = heard
        .iter()
        .filter(|(name, _)| *name == "sync.item_failed")
        .collect();
    assert_eq!(failed.len(), 1, "{heard:?}");
    let text = &failed[0].1;
    assert!(
        text.contains("status: Failed") && text.contains("kind: Exhausted"),
        "{text}"
    );
    assert!(text.contains("external_id: Some(\"2\")"), "{text}");
}

async fn a_panic_ends_an_attempt_and_its_error_is_cut(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(1, [Fate::Panics]);
    let run = desk.sync([1]).await;
    let item = desk.item(&run, 1).await;
    assert_eq!(item.attempts, 5);
    assert_eq!(item.error.as_deref(), Some("panicked: ticket 1 is on fire"));
}

/// Section 7.3: a rate-limit error anywhere in the chain defers without counting, until 6 h after the item was found.
async fn a_rate_limit_defers_without_counting(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(
        1,
        [
            Fate::Limited(40),
            Fate::Limited(40),
            Fate::Fails,
            Fate::Well,
        ],
    );
    let run = desk.sync([1]).await;
    assert_eq!(desk.plan().attempts(), [(1, 1), (1, 1), (1, 1), (1, 2)]);
    let item = desk.item(&run, 1).await;
    assert_eq!((item.status, item.attempts), (ItemStatus::Success, 2));
    assert_eq!(item.error, None);
}

async fn a_rate_limit_beyond_six_hours_ends_the_item_as_expired(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(1, [Fate::Limited(6 * 3_600 + 1)]);
    desk.plan().set(2, [Fate::Limited(6 * 3_600), Fate::Well]);
    let run = desk.sync([1, 2]).await;
    assert_eq!(desk.item(&run, 1).await.status, ItemStatus::Failed);
    let kinds = desk
        .bench
        .column::<String>("SELECT error_kind FROM events_sync_items WHERE state = 3")
        .await;
    assert_eq!(kinds, ["expired"]);
    assert_eq!(desk.item(&run, 2).await.status, ItemStatus::Success);
}

/// Section 7.3: what cannot be read ends at once, and the others go on.
async fn what_cannot_be_read_ends_at_once(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.finds([1, 2, 3]);
    let started = desk.bench.engine.sync(desk.integration.id).await.unwrap();
    let run = started.assert_enumerated();
    let sql = "UPDATE events_sync_items SET payload = '{' WHERE external_id = '2'";
    desk.bench
        .store
        .writer()
        .execute_unprepared(sql)
        .await
        .unwrap();
    let sql = "UPDATE events_sync_items SET payload = REPLACE(payload, '\"key\":', '\"key\":99') WHERE external_id = '3'";
    desk.bench
        .store
        .writer()
        .execute_unprepared(sql)
        .await
        .unwrap();
    let run = desk.bench.engine.finish(run).await.unwrap();
    assert_eq!(desk.plan().attempts(), [(1, 1)]);
    let kinds = desk
        .bench
        .column::<String>("SELECT error_kind FROM events_sync_items WHERE state = 3 ORDER BY id")
        .await;
    assert_eq!(kinds, ["undecodable", "missing_model"]);
    assert_eq!(desk.item(&run, 2).await.attempts, 1);
}

mod noted {
    use super::{Event, listener};

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "item.note.taken")]
    struct NoteTaken {
        ticket: u64,
    }

    #[listener(NoteTaken, queue)]
    fn queued(_: &NoteTaken) {}
}

const NOTED: &str = concat!(module_path!(), "::noted");

/// Section 7.3 (better): as the last net, an item whose event a queued listener hears fails at once, and nothing runs.
async fn an_item_that_a_queued_listener_hears_is_refused(url: String) {
    let desk = DeskBench::with(url, |builder| builder.only_linked_in(NOTED)).await;
    desk.desk.finds([1]);
    let started = desk.bench.engine.sync(desk.integration.id).await.unwrap();
    // No session takes such an event: it can only have been stored by another version of the program.
    execute(
        &desk.bench,
        "UPDATE events_sync_items SET event_name = 'item.note.taken'",
    )
    .await;
    let run = desk
        .bench
        .engine
        .finish(started.assert_enumerated())
        .await
        .unwrap();
    let item = desk.item(&run, 1).await;
    assert_eq!((item.status, item.attempts), (ItemStatus::Failed, 1));
    assert!(item.error.unwrap().contains("is queued"));
    let kinds = desk
        .bench
        .column::<String>("SELECT error_kind FROM events_sync_items")
        .await;
    assert_eq!(kinds, ["refused"]);
    assert!(!desk.bench.heard.names().contains(&"item.note.taken"));
}

mod current {
    use events_std::{IntegrationError, IntegrationSynced, Integrations};

    use super::{TicketSynced, listener};

    #[listener(TicketSynced, priority = 10, handle = FINDS)]
    pub(super) async fn finds(event: &TicketSynced) -> Result<(), IntegrationError> {
        let engine = Integrations::current()?;
        engine.mark_synced(event.integration.id).await.map(drop)
    }

    #[listener(IntegrationSynced, priority = 10, handle = FAILS)]
    pub(super) async fn fails(_: &IntegrationSynced) -> Result<(), &'static str> {
        Err("others go on")
    }
}

/// A listener of an item finds the service without an argument. The first failure ends the item's own attempt (section
/// 7.3), not what its listeners fire: there one that fails stops no other (rule 2).
async fn a_listener_of_an_item_finds_the_service(url: String) {
    let desk = DeskBench::with(url, |builder| {
        builder.register(current::FINDS).register(current::FAILS)
    })
    .await;
    let run = desk.sync([1, 2]).await;
    assert_eq!(desk.item(&run, 2).await.status, ItemStatus::Success);
    let mut heard = desk.bench.heard.names();
    heard.retain(|name| *name == "integration.synced");
    assert_eq!(heard.len(), 3, "for each item, and for the run");
}

/// Lets attempts through, one for each permit.
struct Gate(Semaphore);

mod late {
    use super::{Gate, State, TicketSynced, listener};

    #[listener(TicketSynced, priority = 10, handle = WAIT)]
    pub(super) async fn wait(_: &TicketSynced, gate: &State<Gate>) {
        gate.0.acquire().await.unwrap().forget();
    }
}

/// Section 7.3 (better): success and skipped are final. An attempt that comes to its end when others have ended the item
/// reopens nothing, counts nothing, and tells of nothing.
async fn a_late_end_changes_nothing_that_has_ended(url: String) {
    let desk = DeskBench::with(url, |builder| {
        let gate = Gate(Semaphore::new(0));
        builder.register(late::WAIT).state(gate)
    })
    .await;
    for ticket in [1, 3] {
        desk.plan().set(ticket, [Fate::Fails]);
    }
    // The attempts are the last: the end of one that fails would be told.
    let run = desk.begin(1..=4).await;
    execute(&desk.bench, "UPDATE events_sync_items SET attempts = 4").await;
    let standing = async || {
        let columns = "state || ' ' || fence || ' ' || attempts || ' ' || changed_at || ' ' || \
                       COALESCE(error, '') || COALESCE(completed_at, 0)";
        let sql = format!("SELECT {columns} FROM events_sync_items ORDER BY id");
        desk.bench.column::<String>(&sql).await
    };
    let test = async {
        until("all run", async || {
            let running = "events_sync_items WHERE state = 1 AND attempts = 5";
            desk.bench.count(running).await == 4
        })
        .await;
        for (state, tickets) in [("2", "'1', '2'"), ("4", "'3', '4'")] {
            let ended = format!("UPDATE events_sync_items SET state = {state}, completed_at = 7");
            let ended = format!("{ended} WHERE external_id IN ({tickets})");
            execute(&desk.bench, &ended).await;
        }
        let before = standing().await;
        let gate = desk.bench.events.state::<Gate>().unwrap();
        gate.0.add_permits(4);
        until("all have ended", async || desk.plan().count() == 4).await;
        before
    };
    // The worker writes what it has to say before it ends.
    let before = std::cell::OnceCell::new();
    let test = async { before.set(test.await).unwrap() };
    desk.worker().run_until(test).await.unwrap();
    assert_eq!(standing().await, *before.get().unwrap());
    assert_eq!(desk.run(&run).await.finished, 0);
    let told = desk.bench.heard.names();
    assert!(!told.contains(&"sync.item_failed"), "{told:?}");
}

/// A worker that does what is due ends although an item waits, and closes the run once it has done it.
async fn what_is_due_later_stays(url: String) {
    let desk = DeskBench::new(url).await;
    desk.plan().set(1, [Fate::Fails, Fate::Well]);
    let run = desk.begin([1, 2]).await;
    desk.worker().run_due().await.unwrap();
    let mut attempts = desk.plan().attempts();
    attempts.sort_unstable();
    assert_eq!(attempts, [(1, 1), (2, 1)]);
    desk.bench.clock.advance(TimeDelta::milliseconds(9_999));
    desk.worker().run_due().await.unwrap();
    assert!(desk.plan().attempts().is_empty());
    assert!(!desk.is_closed(&run).await);
    desk.bench.clock.advance(TimeDelta::milliseconds(1));
    desk.worker().run_due().await.unwrap();
    assert!(desk.is_closed(&run).await);
    let heard = desk.bench.heard.names();
    let told = heard.iter().filter(|name| **name == "sync.completed");
    assert_eq!(told.count(), 1, "its announcement was due: {heard:?}");
}

/// Each worker looks after the dead, also one that serves no items: those of a worker that is gone are given back with
/// their attempts, for whoever serves items.
async fn a_worker_of_jobs_alone_gives_back_a_dead_ones_items(url: String) {
    let desk = DeskBench::with(url, |builder| {
        let gate = Gate(Semaphore::new(0));
        builder.register(late::WAIT).state(gate)
    })
    .await;
    let run = desk.begin([1, 2]).await;
    let standing = async || {
        let items = desk.items(&run).await;
        let standing = items.iter().map(|item| (item.status, item.attempts));
        standing.collect::<Vec<_>>()
    };
    {
        let running = until("both run", async || {
            standing().await == [(ItemStatus::Processing, 1); 2]
        });
        tokio::select! {
            _ = desk.worker().run_until(std::future::pending()) => {}
            () = running => {}
        }
    }
    assert_eq!(desk.bench.count("events_workers").await, 1);
    let given_back = until("they are given back", async || {
        standing().await == [(ItemStatus::Pending, 0); 2]
    });
    let jobs_alone = Worker::new(&desk.bench.events, &desk.bench.store);
    jobs_alone.run_until(given_back).await.unwrap();
    assert_eq!(desk.bench.count("events_workers").await, 0);
    desk.bench.events.state::<Gate>().unwrap().0.add_permits(2);
    desk.worker().run_due().await.unwrap();
    assert_eq!(standing().await, [(ItemStatus::Success, 1); 2]);
    assert!(desk.is_closed(&run).await);
}

mod with_transaction {
    use super::*;

    /// Fails after it has written, once for each ticket.
    #[listener(TicketSynced, priority = 10, handle = WRITE)]
    async fn write(event: &TicketSynced, tx: &Tx) -> Result<(), sea_orm::DbErr> {
        let sql = format!("INSERT INTO written (ticket) VALUES ({})", event.ticket);
        tx.execute_unprepared(&sql).await.map(drop)
    }

    /// Section 7.3: what a listener writes through the item's transaction is committed together with `success`, and
    /// rolled back with a failure of a listener behind it.
    pub(super) async fn what_is_written_in_the_items_transaction_is_written_once(url: String) {
        let desk = DeskBench::with(url, |builder| builder.register(WRITE)).await;
        desk.bench
            .store
            .writer()
            .execute_unprepared("CREATE TABLE written (ticket BIGINT)")
            .await
            .unwrap();
        desk.plan().set(1, [Fate::Fails, Fate::Fails, Fate::Well]);
        desk.plan().set(2, [Fate::Fails]);
        let run = desk.sync([1, 2, 3]).await;
        assert_eq!(run.finished, 3);
        let mut written = desk.bench.column::<i64>("SELECT ticket FROM written").await;
        written.sort_unstable();
        assert_eq!(written, [1, 3], "once each, and nothing of what failed");
        assert_eq!(desk.item(&run, 1).await.status, ItemStatus::Success);
        assert_eq!(desk.item(&run, 2).await.status, ItemStatus::Failed);
    }
}
use with_transaction::what_is_written_in_the_items_transaction_is_written_once;

on_both!(
    a_failed_item_is_told_of_once_with_its_row_failed,
    a_late_end_changes_nothing_that_has_ended,
    a_listener_of_an_item_finds_the_service,
    a_panic_ends_an_attempt_and_its_error_is_cut,
    a_rate_limit_beyond_six_hours_ends_the_item_as_expired,
    a_rate_limit_defers_without_counting,
    a_worker_of_jobs_alone_gives_back_a_dead_ones_items,
    an_item_is_tried_five_times_and_then_fails,
    an_item_that_cannot_succeed_fails_at_once,
    an_item_that_a_queued_listener_hears_is_refused,
    the_waits_between_attempts_stand_in_the_row,
    what_cannot_be_read_ends_at_once,
    what_is_due_later_stays,
    what_is_written_in_the_items_transaction_is_written_once,
);
