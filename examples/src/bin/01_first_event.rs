//! An event, a listener, a dispatch.
use events_core::{Event, listener};

#[derive(Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid)]
fn print(event: &OrderPaid) {
    println!("order {} was paid", event.order);
}

fn main() {
    OrderPaid { order: 7 }
        .dispatch_sync()
        .expect("no listener fails");
}
