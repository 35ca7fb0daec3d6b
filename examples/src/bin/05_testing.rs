//! How code that dispatches is tested: a fake records what was dispatched, and runs no listener.
use events_core::{Event, Events, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid)]
fn charge_the_card(_: &OrderPaid) {
    panic!("not in a test");
}

/// The code under test.
fn pay(order: u64) {
    OrderPaid { order }
        .dispatch_sync()
        .expect("no listener fails");
}

fn main() {
    let fake = Events::fake();
    fake.scope_sync(|| pay(7));

    fake.assert_dispatched_once::<OrderPaid>();
    fake.assert_dispatched_where::<OrderPaid>(|event| event.order == 7);
    fake.assert_listening::<OrderPaid>("charge_the_card");
    println!("order 7 was paid, and no card was charged");
}
