use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, priority = 3000000000)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn main() {}
