//! What becomes of a job whose record was deleted.

use events_core::{MemoryQueue, ParkReason, listener};
use events_std::{SyncItemError, SyncItemErrorKind, SyncItemFailed};
use pollster::block_on;

use crate::rows::{Database, Rows, builder};

#[listener(SyncItemFailed, queue = "later")]
fn keep(_: &SyncItemFailed) {}

#[listener(SyncItemFailed, queue = "later", on_missing = "discard")]
fn discard(_: &SyncItemFailed) {}

#[test]
fn a_missing_record_parks_the_job_unless_it_is_to_be_discarded() {
    let queue = MemoryQueue::new();
    let events = builder(module_path!())
        .state::<Database>(None)
        .queue(queue.clone())
        .build()
        .unwrap();
    let rows = Rows::at_first();
    let event = SyncItemFailed {
        integration: rows.integration,
        item: rows.item,
        error: SyncItemError {
            kind: SyncItemErrorKind::Exhausted,
            message: "429".to_owned(),
        },
    };
    block_on(async {
        events.dispatch(&event).await.unwrap();
        let drained = queue.drain(&events).await;
        assert_eq!((drained.parked, drained.discarded, drained.done), (1, 1, 0));
    });
    let parked = queue.parked();
    assert!(parked[0].job.listener.ends_with("::keep"));
    assert_eq!(parked[0].failure.reason(), ParkReason::MissingModel);
    assert!(parked[0].failure.message().contains("`integration`"));
}
