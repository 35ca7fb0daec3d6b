use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, order_by = key)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn key(event: &OrderPaid) -> u64 {
    event.order
}

fn main() {}
