//! What happens when listeners fail: the others run, and everyone hears of it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use events_core::{ErrorPolicy, Event, Events, FailureCause, Incident, Refusal, State, listener};
use pollster::block_on;

use crate::{Log, builder, log, once_pending};

#[derive(Clone, Debug, Event)]
#[event(name = "failing")]
struct Failing;

const LINE_OF_ERRS: u32 = line!() + 3;

#[listener(Failing, priority = 5)]
fn errs(_: &Failing) -> Result<(), std::io::Error> {
    Err(std::io::Error::other("disk on fire"))
}

#[listener(Failing, priority = 4)]
fn panics(_: &Failing) {
    panic!("number {}", 7);
}

#[listener(Failing, priority = 3)]
async fn panics_later(_: &Failing) {
    once_pending().await;
    panic!("later");
}

#[listener(Failing, priority = 2)]
async fn errs_later(_: &Failing) -> Result<(), String> {
    once_pending().await;
    Err("late".to_owned())
}

#[listener(Failing, priority = 1)]
fn runs(_: &Failing, log: &State<Log>) {
    log.write("runs");
}

#[test]
fn every_failure_is_listed_and_the_others_run() {
    let events = builder(module_path!()).build().unwrap();
    let error = block_on(events.dispatch(&Failing)).unwrap_err();
    assert_eq!(log(&events), ["runs"]);

    let names: Vec<_> = error
        .failures()
        .iter()
        .map(|failure| failure.listener().name().rsplit("::").next().unwrap())
        .collect();
    assert_eq!(names, ["errs", "panics", "panics_later", "errs_later"]);
    let first = &error.failures()[0];
    assert_eq!(first.event(), "failing");
    assert!(first.listener().source().file.ends_with("failures.rs"));
    assert_eq!(first.listener().source().line, LINE_OF_ERRS);
    assert!(first.error().unwrap().is::<std::io::Error>());
    assert!(
        matches!(error.failures()[1].cause(), FailureCause::Panic(message) if message == "number 7")
    );
    let text = error.to_string();
    for part in [
        "4 listeners of `failing` failed",
        "disk on fire",
        "panicked: number 7",
        "late",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // Each cause is in the text; behind the first there is nothing.
    assert!(std::error::Error::source(&error).is_none());
}

#[test]
fn fail_fast_stops_at_the_first() {
    let events = builder(module_path!())
        .error_policy(ErrorPolicy::FailFast)
        .build()
        .unwrap();
    let error = block_on(events.dispatch(&Failing)).unwrap_err();
    assert_eq!(error.failures().len(), 1);
    assert!(log(&events).is_empty());

    let all = events.with_policy(ErrorPolicy::RunAll);
    assert_eq!(
        block_on(all.dispatch(&Failing))
            .unwrap_err()
            .failures()
            .len(),
        4
    );
    assert_eq!(log(&events), ["runs"]);
}

#[test]
fn a_panic_under_fail_fast_stops_too() {
    #[derive(Debug, Event)]
    struct Panicking;
    fn fail() {
        panic!("failed");
    }
    let events = Events::builder()
        .without_linked()
        .listen("a", |_: &Panicking| fail())
        .listen("b", |_: &Panicking| fail())
        .error_policy(ErrorPolicy::FailFast)
        .build()
        .unwrap();
    assert_eq!(
        events
            .dispatch_sync(&Panicking)
            .unwrap_err()
            .failures()
            .len(),
        1
    );
    assert_eq!(
        block_on(events.dispatch(&Panicking))
            .unwrap_err()
            .failures()
            .len(),
        1
    );
}

#[derive(Debug, Event)]
struct Stoppable {
    by_result: bool,
}

#[listener(Stoppable, priority = 1)]
fn stops(event: &Stoppable) -> ControlFlow<()> {
    if event.by_result {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

#[listener(Stoppable)]
fn stops_too(_: &Stoppable) -> Result<ControlFlow<()>, String> {
    Ok(ControlFlow::Break(()))
}

#[listener(Stoppable, priority = -1)]
fn never(_: &Stoppable, log: &State<Log>) {
    log.write("never");
}

#[test]
fn a_break_stops_the_rest_and_says_who() {
    let events = builder(module_path!()).build().unwrap();
    for (by_result, who) in [(false, "stops"), (true, "stops_too")] {
        let dispatched = events.dispatch_sync(&Stoppable { by_result }).unwrap();
        assert!(dispatched.stopped_by().unwrap().name().ends_with(who));
    }
    assert!(log(&events).is_empty());
}

#[test]
fn a_dispatch_that_is_dropped_half_way_tells_the_hook() {
    #[derive(Debug, Event)]
    struct Slow;
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    let events = Events::builder()
        .without_linked()
        .listen("1 done", |_: &Slow| {})
        .listen("2 never ends", |_: &Slow| std::future::pending::<()>())
        .listen("3 never starts", |_: &Slow| {})
        .error_hook(move |incident| {
            if let Incident::NotRun(not_run) = incident {
                let names = not_run
                    .listeners()
                    .iter()
                    .map(|listener| listener.name().to_owned());
                hook.lock().unwrap().extend(names);
            }
        })
        .build()
        .unwrap();
    {
        let mut dispatch = Box::pin(events.dispatch(&Slow));
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(dispatch.as_mut().poll(&mut task).is_pending());
    }
    assert_eq!(*told.lock().unwrap(), ["2 never ends", "3 never starts"]);
    // A dispatch that was never polled has promised nothing.
    drop(events.dispatch(&Slow));
    assert_eq!(told.lock().unwrap().len(), 2);
}

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_a_listener_holds_is_dropped_once_whatever_happens() {
    #[derive(Clone, Debug, Event)]
    struct Held(u8);
    let drops = Arc::new(AtomicUsize::new(0));
    let held = drops.clone();
    let events = Events::builder()
        .without_linked()
        .error_hook(|_| {})
        .listen("holds", move |event: &Held| {
            let (mode, dropped) = (event.0, Dropped(held.clone()));
            async move {
                let big = [mode; 600];
                once_pending().await;
                assert!(mode != 1, "panics after a pending");
                once_pending().await;
                drop((big, dropped));
            }
        })
        .build()
        .unwrap();
    block_on(events.dispatch(&Held(0))).unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    block_on(events.dispatch(&Held(1))).unwrap_err();
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    for polls in 0..3 {
        let event = Held(0);
        let mut dispatch = Box::pin(events.dispatch(&event));
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..polls {
            assert!(dispatch.as_mut().poll(&mut task).is_pending());
        }
        drop(dispatch);
        let started = usize::from(polls > 0);
        assert_eq!(drops.swap(2, Ordering::SeqCst), 2 + started);
    }
}

#[test]
fn a_panicking_destructor_is_a_failure_like_any_other() {
    #[derive(Debug, Event)]
    struct Bomb;
    struct Explodes;
    impl Drop for Explodes {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    fn explode() {
        std::panic::panic_any(Explodes);
    }
    let events = Events::builder()
        .without_linked()
        .listen("1 at once", |_: &Bomb| async { drop(Explodes) })
        .listen("2 at its end", |_: &Bomb| {
            let explodes = Explodes;
            async move {
                once_pending().await;
                let _kept = &explodes;
            }
        })
        .listen("3 panics with a bomb", |_: &Bomb| explode())
        .listen("4 fine", |_: &Bomb| {})
        .build()
        .unwrap();
    let error = block_on(events.dispatch(&Bomb)).unwrap_err();
    assert_eq!(error.failures().len(), 3, "{error}");
}

#[test]
fn a_dispatch_may_move_between_threads() {
    let events = builder(module_path!()).build().unwrap();
    let error = std::thread::scope(|scope| {
        let mut dispatch = Box::pin(events.dispatch(&Failing));
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(dispatch.as_mut().poll(&mut task).is_pending());
        scope.spawn(move || block_on(dispatch)).join().unwrap()
    });
    assert_eq!(error.unwrap_err().failures().len(), 4);
    assert_eq!(log(&events), ["runs"]);
}

#[test]
fn a_condition_that_panics_is_its_listeners_failure() {
    #[derive(Debug, Event)]
    struct Conditional;
    #[listener(Conditional, when = panics, handle = HANDLE)]
    fn conditional(_: &Conditional) {}
    fn panics(_: &Conditional) -> bool {
        panic!("condition")
    }
    let events = Events::builder()
        .without_linked()
        .register(HANDLE)
        .build()
        .unwrap();
    let error = events.dispatch_sync(&Conditional).unwrap_err();
    assert!(error.to_string().contains("condition"), "{error}");
}

#[derive(Debug, Event)]
struct Doubted;

fn doubts(_: &Doubted) -> bool {
    panic!("in doubt")
}

#[listener(Doubted, priority = 1)]
fn before(_: &Doubted, log: &State<Log>) {
    log.write("before");
}

#[listener(Doubted, when = doubts)]
fn doubted(_: &Doubted) {}

#[listener(Doubted, priority = -1)]
fn after(_: &Doubted, log: &State<Log>) {
    log.write("after");
}

#[test]
fn under_fail_fast_a_condition_that_panics_skips_what_comes_after_it_alone() {
    let events = builder(module_path!())
        .error_policy(ErrorPolicy::FailFast)
        .build()
        .unwrap();
    let error = events.dispatch_sync(&Doubted).unwrap_err();
    assert_eq!(
        (error.failures().len(), log(&events)),
        (1, vec!["before".to_owned()])
    );
}

#[test]
fn the_default_dispatcher_refuses_what_lacks_a_state() {
    let error = Stoppable { by_result: true }.dispatch_sync().unwrap_err();
    assert!(matches!(error.refusal(), Some(Refusal::Unwired(faults)) if faults.len() == 1));
    for part in ["Log", "::failures::Stoppable`", ".set_default()?"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[derive(Debug, Event)]
struct Chained;

/// An error with another behind it.
#[derive(Debug)]
struct Outer(std::io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("outer")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[listener(Chained)]
fn chained(_: &Chained) -> Result<(), Outer> {
    Err(Outer(std::io::Error::other("inner")))
}

#[test]
fn a_chain_of_causes_says_each_thing_once_and_is_text_to_read() {
    let events = builder(module_path!()).build().unwrap();
    let error = events.dispatch_sync(&Chained).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("::failures::Chained` failed"), "{text}");
    assert!(text.ends_with("outer"), "{text}");
    assert_eq!(format!("{error:?}"), text);
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "inner");
    let dispatched = events.dispatch_sync(&Stoppable { by_result: false });
    let text = format!("{:?}", dispatched.unwrap());
    assert!(text.starts_with("Dispatched { stopped_by: `"), "{text}");
}
