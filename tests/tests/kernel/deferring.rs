//! Blocks that put dispatches off, or silence them; and dispatches that depend on a condition.

use std::panic::{AssertUnwindSafe, catch_unwind};

use events_core::{DeferError, Event, Events, State, listener};
use pollster::block_on;

use crate::{Log, builder, log, once_pending};

#[derive(Clone, Debug, Event)]
struct Counted(u32);

#[derive(Debug, Event)]
struct Unclonable;

#[listener(Counted)]
async fn counts(event: &Counted, log: &State<Log>) -> Result<(), String> {
    once_pending().await;
    log.write(event.0.to_string());
    if event.0 == 13 {
        Err("thirteen".to_owned())
    } else {
        Ok(())
    }
}

fn events() -> Events {
    builder(module_path!()).build().unwrap()
}

#[test]
fn defer_holds_dispatches_until_the_block_ends() {
    let events = events();
    let value = block_on(events.defer(async {
        let dispatched = events.dispatch(&Counted(1)).await.unwrap();
        assert!(dispatched.is_deferred());
        once_pending().await;
        events.dispatch(&Counted(2)).await.unwrap();
        assert!(log(&events).is_empty());
        Ok::<_, String>(7)
    }))
    .unwrap();
    assert_eq!(
        (value, log(&events)),
        (7, vec!["1".to_owned(), "2".to_owned()])
    );
}

#[test]
fn a_block_that_fails_or_panics_dispatches_nothing() {
    let events = events();
    let error = block_on(events.defer(async {
        events.dispatch(&Counted(1)).await.unwrap();
        Err::<(), _>("no")
    }))
    .unwrap_err();
    assert!(matches!(error, DeferError::Block("no")));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        block_on(events.defer(async {
            events.dispatch(&Counted(2)).await.unwrap();
            assert!(log(&events).len() > 1, "in the block");
            Ok::<_, String>(())
        }))
    }));
    assert!(panicked.is_err());
    assert!(log(&events).is_empty());
    block_on(events.dispatch(&Counted(3))).unwrap();
    assert_eq!(log(&events), ["3"]);
}

#[test]
fn nested_blocks_wait_for_the_outermost() {
    let events = events();
    block_on(events.defer(async {
        events.dispatch(&Counted(1)).await.unwrap();
        events
            .defer(async {
                events.dispatch(&Counted(2)).await.unwrap();
                Ok::<_, String>(())
            })
            .await
            .unwrap();
        let failed = events.defer(async {
            events.dispatch(&Counted(3)).await.unwrap();
            Err::<(), _>("inner")
        });
        failed.await.unwrap_err();
        assert!(log(&events).is_empty());
        Ok::<_, String>(())
    }))
    .unwrap();
    assert_eq!(log(&events), ["1", "2"]);
}

#[test]
fn failures_after_the_block_come_with_its_value() {
    let events = events();
    let error = block_on(events.defer(async {
        events.dispatch(&Counted(13)).await.unwrap();
        events.dispatch(&Counted(1)).await.unwrap();
        Ok::<_, String>(7)
    }))
    .unwrap_err();
    assert!(error.to_string().contains("thirteen"), "{error}");
    assert!(matches!(error, DeferError::Dispatch { value: 7, failures } if failures.len() == 1));
    assert_eq!(log(&events), ["13", "1"]);
}

#[test]
fn what_cannot_be_cloned_cannot_be_put_off() {
    let events = events();
    let error = events
        .defer_sync(|| events.dispatch_sync(&Unclonable).map(drop))
        .unwrap_err();
    assert!(error.to_string().contains("the block failed"), "{error}");
    let DeferError::Block(error) = error else {
        panic!("{error}")
    };
    assert!(error.to_string().contains("derive `Clone`"), "{error}");
}

#[test]
fn without_events_silences_one_dispatcher_in_one_block() {
    let (events, other) = (events(), events());
    block_on(events.without_events(async {
        events.dispatch(&Counted(1)).await.unwrap();
        once_pending().await;
        events.dispatch(&Counted(2)).await.unwrap();
        other.dispatch(&Counted(3)).await.unwrap();
    }));
    events
        .without_events_sync(|| events.dispatch_sync(&Unclonable))
        .unwrap();
    assert!(log(&events).is_empty());
    assert_eq!(log(&other), ["3"]);
    block_on(events.dispatch(&Counted(4))).unwrap();
    assert_eq!(log(&events), ["4"]);
}

#[test]
fn two_blocks_on_one_thread_do_not_mix() {
    let events = events();
    let muted = events.without_events(async {
        for _ in 0..3 {
            events.dispatch(&Counted(1)).await.unwrap();
            once_pending().await;
        }
    });
    let loud = async {
        for _ in 0..3 {
            events.dispatch(&Counted(2)).await.unwrap();
            once_pending().await;
        }
    };
    let (mut muted, mut loud) = (std::pin::pin!(muted), std::pin::pin!(loud));
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    let (mut muted_ready, mut loud_ready) = (false, false);
    while !(muted_ready && loud_ready) {
        muted_ready = muted_ready || muted.as_mut().poll(&mut task).is_ready();
        loud_ready = loud_ready || loud.as_mut().poll(&mut task).is_ready();
    }
    assert_eq!(log(&events), ["2", "2", "2"]);
}

#[test]
fn nothing_is_made_when_the_condition_says_no() {
    let events = events();
    block_on(async {
        events.dispatch_if(true, || Counted(1)).await.unwrap();
        events.dispatch_unless(false, || Counted(2)).await.unwrap();
        events
            .dispatch_if(false, || -> Counted { unreachable!("made") })
            .await
            .unwrap();
        events
            .dispatch_unless(true, || -> Counted { unreachable!("made") })
            .await
            .unwrap();
    });
    assert_eq!(log(&events), ["1", "2"]);
}
