use events_core::{AnyEvent, Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[derive(Clone, Debug, Event)]
struct OrderShipped {
    order: u64,
}

struct Order;

#[listener(OrderPaid, Order)]
fn audit(event: &dyn AnyEvent) {
    let _ = event;
}

fn main() {}
