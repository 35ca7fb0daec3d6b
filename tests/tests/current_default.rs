//! The program's default dispatcher: it is set once, so these checks stand alone in their process.

use std::sync::atomic::{AtomicU32, Ordering};

use events_core::{Event, Events, State, listener};
use pollster::block_on;

#[derive(Clone, Debug, Event)]
struct Ticked;

#[derive(Clone, Debug, Event)]
struct Plain;

static PLAIN: AtomicU32 = AtomicU32::new(0);

#[listener(Ticked)]
fn counts(_: &Ticked, count: &State<AtomicU32>) {
    count.fetch_add(1, Ordering::Relaxed);
}

#[listener(Plain)]
async fn counts_without_state(_: &Plain) {
    PLAIN.fetch_add(1, Ordering::Relaxed);
}

fn count(events: &Events) -> u32 {
    events.state::<AtomicU32>().unwrap().load(Ordering::Relaxed)
}

fn dispatcher() -> Events {
    Events::builder().state(AtomicU32::new(0)).build().unwrap()
}

#[test]
fn none_then_one_then_scopes() {
    // With none set: all linked listeners and no state.
    block_on(Plain.dispatch()).unwrap();
    assert_eq!(PLAIN.load(Ordering::Relaxed), 1);
    assert!(Ticked.dispatch_sync().unwrap_err().refusal().is_some());

    let default = dispatcher();
    default.clone().set_default().unwrap();
    Ticked.dispatch_sync().unwrap();
    assert_eq!(count(&default), 1);
    let error = dispatcher().set_default().unwrap_err();
    assert!(error.to_string().contains("is set already"), "{error}");

    // A scope goes before the default, an inner one before an outer one, and each ends.
    let (outer, inner) = (dispatcher(), dispatcher());
    outer.scope_sync(|| {
        Ticked.dispatch_sync().unwrap();
        inner.scope_sync(|| Ticked.dispatch_sync().unwrap());
        Ticked.dispatch_sync().unwrap();
        assert_eq!(count(&Events::current()), 2);
    });
    assert_eq!((count(&outer), count(&inner), count(&default)), (2, 1, 1));

    // A scope follows its task across awaits, and is not seen by another task on the thread.
    let scoped = dispatcher();
    let task = scoped.scope(async {
        for _ in 0..3 {
            Ticked.dispatch().await.unwrap();
            yield_once().await;
        }
    });
    let other = async {
        for _ in 0..3 {
            Ticked.dispatch().await.unwrap();
            yield_once().await;
        }
    };
    let (mut task, mut other) = (std::pin::pin!(task), std::pin::pin!(other));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..3 {
        assert!(task.as_mut().poll(&mut context).is_pending());
        assert!(other.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!((count(&scoped), count(&default)), (3, 4));

    // A panic in a scope ends it too.
    let panicked = std::panic::catch_unwind(|| {
        dispatcher().scope_sync(|| panic!("in a scope"));
    });
    assert!(panicked.is_err());
    Ticked.dispatch_sync().unwrap();
    assert_eq!(count(&default), 5);
}

async fn yield_once() {
    let mut polled = false;
    std::future::poll_fn(|_| {
        if polled {
            return std::task::Poll::Ready(());
        }
        polled = true;
        std::task::Poll::Pending
    })
    .await;
}
