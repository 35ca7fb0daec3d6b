use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[derive(Clone, Debug, Event)]
struct OrderShipped {
    order: u64,
}

#[listener(OrderPaid, when = big)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn big(event: &OrderShipped) -> bool {
    event.order > 7
}

fn main() {}
