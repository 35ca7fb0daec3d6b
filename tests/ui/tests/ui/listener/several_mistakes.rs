use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, prioritty = 10, tries = 0, queue, timeout = "soon", after_commit = 1)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn main() {}
