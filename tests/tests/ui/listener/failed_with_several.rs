use events_core::{AnyEvent, Event, listener};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.shipped")]
struct OrderShipped {
    order: u64,
}

#[listener(OrderPaid, OrderShipped, queue, failed = parked)]
fn audit(event: &dyn AnyEvent) {
    let _ = event;
}

fn main() {}
