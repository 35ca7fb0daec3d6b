//! Listeners on the builder, and listeners that are added while the program runs.

use std::sync::{Arc, Mutex};

use events_core::{AnyEvent, Event, Events, category};
use pollster::block_on;

use crate::once_pending;

#[derive(Clone, Debug, Event)]
#[event(name = "runtime.ticked", extends(Timed))]
struct Ticked(u32);

#[derive(Clone, Debug, Event)]
struct Other;

#[category]
trait Timed: AnyEvent {}

type Lines = Arc<Mutex<Vec<String>>>;

fn take(lines: &Lines) -> Vec<String> {
    std::mem::take(&mut *lines.lock().unwrap())
}

fn bench() -> (Events, Lines) {
    let lines = Lines::default();
    let (sync, later) = (lines.clone(), lines.clone());
    let events = Events::builder()
        .without_linked()
        .listen("sync", move |event: &Ticked| {
            sync.lock().unwrap().push(format!("sync {}", event.0));
        })
        .listen("later", move |event: &Ticked| {
            let (lines, number) = (later.clone(), event.0);
            async move {
                once_pending().await;
                lines.lock().unwrap().push(format!("later {number}"));
                Ok::<_, String>(())
            }
        })
        .build()
        .unwrap();
    (events, lines)
}

async fn borrows(event: &Ticked) -> Result<(), String> {
    once_pending().await;
    Err(format!("borrowed {}", event.0))
}

#[test]
fn an_async_function_may_borrow_its_event() {
    let events = Events::builder()
        .without_linked()
        .listen("borrows", borrows)
        .build()
        .unwrap();
    let error = block_on(events.dispatch(&Ticked(7))).unwrap_err();
    assert!(error.to_string().contains("borrowed 7"), "{error}");
    assert!(
        error.failures()[0]
            .listener()
            .source()
            .file
            .ends_with("runtime.rs")
    );
}

#[test]
fn a_subscription_ends_when_it_is_dropped() {
    let (events, lines) = bench();
    let heard = lines.clone();
    let subscription = events.listen(move |event: &Ticked| {
        heard.lock().unwrap().push(format!("added {}", event.0));
    });
    block_on(events.dispatch(&Ticked(1))).unwrap();
    assert_eq!(take(&lines), ["later 1", "added 1", "sync 1"]);
    block_on(events.dispatch(&Other)).unwrap();
    drop(subscription);
    block_on(events.dispatch(&Ticked(2))).unwrap();
    assert_eq!(take(&lines), ["later 2", "sync 2"]);
}

#[test]
fn the_others_keep_their_order_when_one_goes() {
    let (events, lines) = (
        Events::builder().without_linked().build().unwrap(),
        Lines::default(),
    );
    let add = |name: &'static str| {
        let lines = lines.clone();
        events.listen(move |_: &Ticked| lines.lock().unwrap().push(name.to_owned()))
    };
    let (first, _second, _third) = (add("first"), add("second"), add("third"));
    drop(first);
    events.dispatch_sync(&Ticked(1)).unwrap();
    assert_eq!(take(&lines), ["second", "third"]);
}

#[test]
fn categories_and_patterns_can_be_added_and_keep_their_rank() {
    let (events, lines) = bench();
    let (by_category, by_pattern) = (lines.clone(), lines.clone());
    let _category = events.listen_category(move |event: &dyn Timed| {
        by_category
            .lock()
            .unwrap()
            .push(format!("category {}", event.name()));
    });
    events
        .listen_pattern("runtime.*", move |event: &dyn AnyEvent| {
            by_pattern
                .lock()
                .unwrap()
                .push(format!("pattern {event:?}"));
        })
        .forget();
    block_on(events.dispatch(&Ticked(1))).unwrap();
    assert_eq!(
        take(&lines),
        [
            "later 1",
            "sync 1",
            "category runtime.ticked",
            "pattern Ticked(1)"
        ]
    );
}

#[test]
fn a_listener_added_while_an_event_runs_hears_the_next_one() {
    let (events, lines) = bench();
    let (again, heard) = (events.clone(), lines.clone());
    events
        .listen(move |event: &Ticked| {
            let heard = heard.clone();
            let number = event.0;
            again
                .listen(move |event: &Ticked| {
                    heard
                        .lock()
                        .unwrap()
                        .push(format!("by {number}: {}", event.0));
                })
                .forget();
        })
        .forget();
    block_on(events.dispatch(&Ticked(1))).unwrap();
    assert_eq!(take(&lines), ["later 1", "sync 1"]);
    block_on(events.dispatch(&Ticked(2))).unwrap();
    assert_eq!(take(&lines), ["later 2", "by 1: 2", "sync 2"]);
}

#[test]
fn a_listener_may_end_its_own_subscription_and_dispatch_its_own_event() {
    let (events, lines) = bench();
    let own = Arc::new(Mutex::new(None));
    let (inner, handle, heard) = (events.clone(), own.clone(), lines.clone());
    let subscription = events.listen(move |event: &Ticked| {
        heard.lock().unwrap().push(format!("once {}", event.0));
        handle.lock().unwrap().take();
        let (inner, next) = (inner.clone(), event.0 + 1);
        async move {
            if next < 3 {
                inner.dispatch(&Ticked(next)).await.unwrap();
            }
        }
    });
    *own.lock().unwrap() = Some(subscription);
    block_on(events.dispatch(&Ticked(1))).unwrap();
    assert_eq!(
        take(&lines),
        ["later 1", "once 1", "later 2", "sync 2", "sync 1"]
    );
}

#[test]
fn adding_and_removing_from_many_threads_loses_nothing() {
    let (events, _) = bench();
    let count = Arc::new(Mutex::new(0_usize));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (events, count) = (events.clone(), count.clone());
            scope.spawn(move || {
                for _ in 0..50 {
                    let heard = count.clone();
                    let subscription = events.listen(move |_: &Other| *heard.lock().unwrap() += 1);
                    events.dispatch_sync(&Other).unwrap();
                    drop(subscription);
                }
            });
        }
    });
    assert!(*count.lock().unwrap() >= 200);
    *count.lock().unwrap() = 0;
    events.dispatch_sync(&Other).unwrap();
    assert_eq!(*count.lock().unwrap(), 0);
}
