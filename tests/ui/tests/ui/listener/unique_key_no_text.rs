use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, queue, unique = key)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn key(event: &OrderPaid) -> Vec<u64> {
    vec![event.order]
}

fn main() {}
