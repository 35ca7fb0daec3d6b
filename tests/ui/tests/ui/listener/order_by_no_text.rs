use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, queue, order_by = key)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn key(event: &OrderPaid) -> Option<u64> {
    Some(event.order)
}

fn main() {}
