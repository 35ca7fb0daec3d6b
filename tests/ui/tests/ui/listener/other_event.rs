use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[derive(Clone, Debug, Event)]
struct OrderShipped {
    order: u64,
}

#[listener(OrderPaid)]
fn ship(event: &OrderShipped) {
    let _ = event.order;
}

fn main() {}
