//! What a session takes, refuses and drops (section 7.1).

use events_core::Event;
use events_std::{SessionError, SyncItemEvent, SyncSession, SyncStart};
use sea_orm::{ConnectionTrait, DbBackend, TransactionTrait};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Semaphore;

use crate::desk::{DeskBench, Heed, execute, until};
use crate::kit::on_both;

#[derive(Clone, Debug, PartialEq, Event)]
#[event(
    durable,
    name = "session.note.synced",
    version = 3,
    extends(SyncItemEvent)
)]
struct NoteSynced {
    text: String,
}

fn note(text: impl Into<String>) -> NoteSynced {
    NoteSynced { text: text.into() }
}

#[tokio::test]
async fn a_captured_session_keeps_items_in_order_and_drops_repeats() {
    let (mut session, items) = SyncSession::capture(Some(json!(7)));
    assert_eq!(session.cursor_as::<u64>().unwrap(), Some(7));
    let wrong = session.cursor_as::<String>().unwrap_err();
    assert!(matches!(wrong, SessionError::Cursor(_)), "{wrong}");
    session
        .item()
        .external_id(1)
        .checkpoint(8)
        .dispatch(note("a"))
        .await
        .unwrap();
    session
        .item()
        .external_id(1)
        .checkpoint(9)
        .dispatch(note("b"))
        .await
        .unwrap();
    session.dispatch(note("c")).await.unwrap();
    session
        .item()
        .checkpoint(None::<u64>)
        .dispatch(note("c"))
        .await
        .unwrap();
    items.assert_count(3);
    assert_eq!(items.duplicates(), 1);
    assert_eq!(items.of::<NoteSynced>(), [note("a"), note("c"), note("c")]);
    let first = &items.all()[0];
    assert_eq!(first.event_name, "session.note.synced");
    assert_eq!(first.payload, json!({"text": "a"}));
    assert_eq!(first.external_id.as_deref(), Some("1"));
    assert_eq!(first.checkpoint, Some(json!(8)));
    assert_eq!(items.all()[2].checkpoint, None, "null is none");
}

#[tokio::test]
#[should_panic(expected = "expected 2 items, but the session took 1: session.note.synced 35")]
async fn what_a_test_expects_in_vain_is_told() {
    let (mut session, items) = SyncSession::capture(None);
    session
        .item()
        .external_id(35)
        .dispatch(note("a"))
        .await
        .unwrap();
    items.assert_count(2);
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_an_error_that_says_so() {
    let (mut session, items) = SyncSession::capture(None);
    // The wire form is `{"text":".."}`.
    let fits = 256 * 1024 - 11;
    session.dispatch(note("x".repeat(fits))).await.unwrap();
    let error = session
        .dispatch(note("x".repeat(fits + 1)))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("262145 bytes") && text.contains("at most 262144"),
        "{text}"
    );
    let id = "é".repeat(500);
    session
        .item()
        .external_id(&id)
        .dispatch(note(""))
        .await
        .unwrap();
    let error = session
        .item()
        .external_id(id + "!")
        .dispatch(note(""))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("more than 500 characters"),
        "{error}"
    );
    let error = session
        .item()
        .external_id("a\0")
        .dispatch(note(""))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("U+0000"), "{error}");
    items.assert_count(2);
}

/// Section 7.1 (better): the items stream to the store while the provider enumerates.
async fn items_are_stored_in_chunks_while_the_provider_enumerates(url: String) {
    let desk = DeskBench::new(url).await;
    let gate = Arc::new(Semaphore::new(500));
    desk.desk.0.lock().unwrap().gate = Some(gate.clone());
    desk.desk.finds(1..=700);
    let engine = desk.bench.engine.clone();
    let id = desk.integration.id;
    let syncing = tokio::spawn(async move { engine.sync(id).await });
    until("a chunk of 500", async || {
        desk.bench.count("events_sync_items").await == 500
    })
    .await;
    let run = &desk.bench.engine.sync_runs(id).await.unwrap()[0];
    assert_eq!(
        (run.enumerated, run.state.to_string()),
        (500, "enumerating".into())
    );
    // Section 7.2: none of them is runnable yet.
    let after = desk.bench.engine.finish(run.clone()).await.unwrap();
    assert_eq!((after.finished, desk.plan().attempts().len()), (0, 0));
    gate.add_permits(1_000);
    let run = syncing.await.unwrap().unwrap().assert_enumerated();
    assert_eq!(
        (run.enumerated, run.state.to_string()),
        (700, "open".into())
    );
    let run = desk.bench.engine.finish(run).await.unwrap();
    assert_eq!(
        (run.finished, run.state.to_string()),
        (700, "closed".into())
    );
}

/// Section 7.1: a repeat within one run is dropped, first kept, counted in the log's metadata.
async fn repeats_within_a_run_are_dropped_and_counted(url: String) {
    let desk = DeskBench::new(url).await;
    {
        let mut script = desk.desk.0.lock().unwrap();
        // Next to each other, and in two chunks.
        script.tickets = (1..=600).map(|ticket| (ticket, json!(ticket))).collect();
        script.tickets.insert(1, (1, json!(9_000)));
        script.tickets.push((2, json!(9_001)));
    }
    let started = desk
        .bench
        .engine
        .run_to_end(desk.integration.id)
        .await
        .unwrap();
    let run = started.assert_closed();
    assert_eq!((run.enumerated, run.duplicates), (600, 2));
    let metadata = desk.log(&run).await.metadata.unwrap();
    assert_eq!(metadata["duplicates"], json!(2));
    let first = desk.item(&run, 1).await;
    assert_eq!(first.checkpoint_value, Some(json!(1)), "the first stays");
    // The next run may find them again.
    assert_eq!(desk.sync([1, 2]).await.enumerated, 2);
}

/// JSON escapes what Postgres cannot store as text, so that a checkpoint may hold it on both databases.
async fn a_checkpoint_may_hold_any_text(url: String) {
    let desk = DeskBench::new(url).await;
    desk.desk.0.lock().unwrap().tickets = vec![(1, json!("\0"))];
    let run = desk
        .bench
        .engine
        .run_to_end(desk.integration.id)
        .await
        .unwrap();
    run.assert_closed();
    assert_eq!(desk.stored().await.sync_cursor, Some(json!("\0")));
}

/// Why a run failed.
fn failure(started: SyncStart) -> String {
    match started {
        SyncStart::Failed { error, .. } => error,
        other => panic!("expected a run that failed, but: {other:?}"),
    }
}

/// A run that finds 1,700 tickets, and has handed over 499 of them.
async fn begun(
    desk: &DeskBench,
    heed: Heed,
) -> (
    Arc<Semaphore>,
    tokio::task::JoinHandle<Result<SyncStart, events_std::SyncRunError>>,
) {
    let gate = Arc::new(Semaphore::new(498));
    {
        let mut script = desk.desk.0.lock().unwrap();
        (script.gate, script.heed) = (Some(gate.clone()), heed);
    }
    desk.desk.finds(1..=1_700);
    let engine = desk.bench.engine.clone();
    let id = desk.integration.id;
    let syncing = tokio::spawn(async move { engine.sync(id).await });
    until("499 items wait", async || gate.available_permits() == 0).await;
    (gate, syncing)
}

/// Waits until an item was refused: at the latest the first of the third chunk is, as it waits for the first chunk.
async fn until_refused(desk: &DeskBench, gate: &Semaphore) {
    gate.add_permits(502);
    until("an item is refused", async || {
        desk.desk.0.lock().unwrap().refused > 0
    })
    .await;
}

/// A provider that goes on after a chunk was refused does not get its cursor past the items that are missing.
async fn a_run_whose_chunk_was_not_stored_fails(url: String) {
    let desk = DeskBench::new(url).await;
    let (gate, syncing) = begun(&desk, Heed::GoesOn).await;
    let hide = "ALTER TABLE events_sync_items RENAME TO hidden";
    execute(&desk.bench, hide).await;
    until_refused(&desk, &gate).await;
    let show = "ALTER TABLE hidden RENAME TO events_sync_items";
    execute(&desk.bench, show).await;
    gate.add_permits(2_000);
    failure(syncing.await.unwrap().unwrap());
    assert!(desk.desk.0.lock().unwrap().refused >= 700);
    assert_eq!(desk.bench.count("events_sync_items").await, 0);
    assert_eq!(desk.stored().await.sync_cursor, None);
}

/// The same where nobody waited until an item was taken.
async fn a_run_whose_item_was_dropped_fails(url: String) {
    let desk = DeskBench::new(url).await;
    let (gate, syncing) = begun(&desk, Heed::Hurries).await;
    let lock = desk.bench.store.writer().begin().await.unwrap();
    if desk.bench.store.backend() == DbBackend::Postgres {
        let all = "LOCK TABLE events_sync_items IN EXCLUSIVE MODE";
        lock.execute_unprepared(all).await.unwrap();
    }
    until_refused(&desk, &gate).await;
    lock.rollback().await.unwrap();
    gate.add_permits(2_000);
    let error = failure(syncing.await.unwrap().unwrap());
    assert!(error.contains("earlier items"), "{error}");
    assert_eq!(desk.bench.count("events_sync_items").await, 0);
    assert_eq!(desk.stored().await.sync_cursor, None);
}

on_both!(
    a_run_whose_item_was_dropped_fails,
    a_run_whose_chunk_was_not_stored_fails,
    a_checkpoint_may_hold_any_text,
    items_are_stored_in_chunks_while_the_provider_enumerates,
    repeats_within_a_run_are_dropped_and_counted,
);
