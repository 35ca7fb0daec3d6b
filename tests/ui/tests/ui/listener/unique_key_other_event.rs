use events_core::{Event, listener};

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

#[listener(OrderPaid, queue, unique = key)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn key(event: &OrderShipped) -> u64 {
    event.order
}

fn main() {}
