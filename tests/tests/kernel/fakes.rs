//! Fakes: what was dispatched is recorded instead of run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use events_core::{Event, Events, State, listener};
use pollster::block_on;

use crate::{Log, builder, log};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "fakes.paid")]
struct Paid {
    order: u64,
}

#[derive(Debug, Event)]
struct Shipped;

#[listener(Paid)]
fn prints(_: &Paid, log: &State<Log>) {
    log.write("prints");
}

#[listener(Paid, queue = "mail")]
fn sends_receipt(_: &Paid) {}

#[listener(Shipped)]
async fn tells(_: &Shipped, log: &State<Log>) {
    log.write("tells");
}

fn message(assertion: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(assertion)).expect_err("the assertion holds");
    payload.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_fake_records_and_runs_nothing() {
    let fake = builder(module_path!()).fake();
    block_on(fake.events().dispatch(&Paid { order: 7 })).unwrap();
    fake.events().dispatch_sync(&Paid { order: 8 }).unwrap();
    assert!(log(fake.events()).is_empty());

    fake.assert_dispatched::<Paid>();
    fake.assert_dispatched_where::<Paid>(|event| event.order == 8);
    fake.assert_dispatched_times::<Paid>(2);
    fake.assert_not_dispatched::<Shipped>();
    fake.assert_queued::<Paid>("sends_receipt");
    fake.assert_listening::<Paid>("fakes::prints");
    assert_eq!(fake.dispatched::<Paid>()[0].order, 7);

    for (text, parts) in [
        (
            message(|| fake.assert_dispatched_once::<Paid>()),
            ["dispatched 2 times, not 1", "Paid { order: 7 }"],
        ),
        (
            message(|| fake.assert_dispatched::<Shipped>()),
            ["Shipped` was dispatched", "Paid { order: 8 }"],
        ),
        (
            message(|| fake.assert_dispatched_where::<Paid>(|event| event.order == 9)),
            ["for which the condition holds", "Paid { order: 8 }"],
        ),
        (
            message(|| fake.assert_nothing_dispatched()),
            ["what was dispatched", "Paid { order: 7 }"],
        ),
        (
            message(|| fake.assert_not_dispatched::<Paid>()),
            ["dispatched 2 times, not 0", "Paid"],
        ),
        (
            message(|| fake.assert_listening::<Paid>("rints")),
            ["those that do", "fakes::prints"],
        ),
        (
            message(|| fake.assert_queued::<Paid>("prints")),
            ["jobs there would be", "sends_receipt"],
        ),
    ] {
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
    }
}

#[test]
fn only_and_except_run_the_others() {
    let only = builder(module_path!()).fake().only::<Paid>();
    block_on(only.events().dispatch(&Paid { order: 1 })).unwrap();
    block_on(only.events().dispatch(&Shipped)).unwrap();
    only.assert_dispatched_once::<Paid>();
    assert_eq!(log(only.events()), ["tells"]);

    let except = builder(module_path!()).fake().except::<Shipped>();
    block_on(except.events().dispatch(&Paid { order: 1 })).unwrap();
    block_on(except.events().dispatch(&Shipped)).unwrap();
    except.assert_dispatched_once::<Paid>();
    assert_eq!(log(except.events()), ["tells"]);
    for text in [
        message(|| only.assert_not_dispatched::<Shipped>()),
        message(|| except.assert_dispatched::<Shipped>()),
        message(|| only.assert_queued::<Shipped>("tells")),
    ] {
        assert!(text.contains("is not faked"), "{text}");
    }
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "fakes.held")]
struct Held {
    wanted: bool,
}

fn wanted(event: &Held) -> bool {
    event.wanted
}

#[listener(Held, queue, when = wanted)]
fn picks_up(_: &Held) {}

#[test]
fn a_job_whose_condition_does_not_hold_would_not_be_pushed() {
    let fake = builder(module_path!()).fake();
    fake.events()
        .dispatch_sync(&Held { wanted: false })
        .unwrap();
    message(|| fake.assert_queued::<Held>("picks_up"));
    fake.events().dispatch_sync(&Held { wanted: true }).unwrap();
    fake.assert_queued::<Held>("picks_up");
}

#[test]
fn fakes_of_parallel_tests_do_not_see_each_other() {
    std::thread::scope(|scope| {
        for order in 0..8_u64 {
            scope.spawn(move || {
                let fake = Events::fake();
                block_on(fake.scope(async {
                    for _ in 0..=order {
                        Paid { order }.dispatch().await.unwrap();
                        crate::once_pending().await;
                    }
                }));
                let times = usize::try_from(order).unwrap() + 1;
                fake.assert_dispatched_times::<Paid>(times);
                assert!(
                    fake.dispatched::<Paid>()
                        .iter()
                        .all(|event| event.order == order)
                );
            });
        }
    });
}

#[test]
fn an_event_that_cannot_be_cloned_is_still_counted() {
    let fake = Events::fake();
    fake.scope_sync(|| Shipped.dispatch_sync()).unwrap();
    fake.assert_dispatched_once::<Shipped>();
}
