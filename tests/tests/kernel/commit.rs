//! Listeners that wait for the commit of the task's transaction.

use events_core::{AfterCommit, Event, Events, MemoryQueue, Refusal, State, listener};
use pollster::block_on;

use crate::{Log, builder, log};

#[derive(Clone, Debug, Event)]
struct Saved(u32);

#[listener(Saved)]
fn at_once(event: &Saved, log: &State<Log>) {
    log.write(format!("at once {}", event.0));
}

#[listener(Saved, after_commit)]
async fn later(event: &Saved, log: &State<Log>) {
    log.write(format!("later {}", event.0));
}

#[derive(Clone, Debug, Event)]
#[event(after_commit)]
struct Committed(u32);

#[listener(Committed)]
fn committed(event: &Committed, log: &State<Log>) {
    log.write(format!("committed {}", event.0));
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "commit.queued")]
struct Queued;

#[listener(Queued, queue)]
fn queued(_: &Queued) {}

fn events() -> Events {
    builder(module_path!())
        .queue(MemoryQueue::new())
        .build()
        .unwrap()
}

#[test]
fn outside_a_transaction_everything_runs_at_once() {
    let events = events();
    block_on(events.dispatch(&Saved(1))).unwrap();
    events.dispatch_sync(&Committed(2)).unwrap();
    assert_eq!(log(&events), ["at once 1", "later 1", "committed 2"]);
}

#[test]
fn in_a_transaction_they_wait_for_the_commit() {
    let events = events();
    block_on(async {
        let transaction = AfterCommit::new(&events);
        let dispatched = transaction.scope(events.dispatch(&Saved(1))).await.unwrap();
        assert!(dispatched.is_deferred());
        let dispatched = transaction
            .scope(events.dispatch(&Committed(2)))
            .await
            .unwrap();
        assert!(dispatched.is_deferred());
        assert_eq!(log(&events), ["at once 1"]);
        transaction.committed().await;
        assert_eq!(log(&events), ["later 1", "committed 2"]);
    });
}

#[test]
fn a_rollback_drops_what_waits_a_savepoint_what_came_after_it() {
    let events = events();
    block_on(async {
        let transaction = AfterCommit::new(&events);
        transaction
            .scope(events.dispatch(&Committed(1)))
            .await
            .unwrap();
        let savepoint = transaction.savepoint();
        transaction
            .scope(events.dispatch(&Committed(2)))
            .await
            .unwrap();
        transaction.roll_back_to(savepoint);
        transaction
            .scope(events.dispatch(&Committed(3)))
            .await
            .unwrap();
        transaction.committed().await;
        assert_eq!(log(&events), ["committed 1", "committed 3"]);

        let transaction = AfterCommit::new(&events);
        transaction
            .scope(events.dispatch(&Committed(4)))
            .await
            .unwrap();
        drop(transaction);
        assert!(log(&events).is_empty());
    });
}

#[test]
fn a_plain_dispatch_that_must_push_is_refused_in_a_transaction() {
    let events = events();
    block_on(async {
        let transaction = AfterCommit::new(&events);
        let error = transaction
            .scope(events.dispatch(&Queued))
            .await
            .unwrap_err();
        assert!(matches!(error.refusal(), Some(Refusal::TransactionOpen)));
    });
}

#[test]
fn another_dispatchers_transaction_is_nobody_elses() {
    let (one, other) = (events(), events());
    block_on(async {
        let transaction = AfterCommit::new(&one);
        transaction
            .scope(other.dispatch(&Committed(1)))
            .await
            .unwrap();
        assert_eq!(log(&other), ["committed 1"]);
    });
}
