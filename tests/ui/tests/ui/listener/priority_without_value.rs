use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, priority)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn main() {}
