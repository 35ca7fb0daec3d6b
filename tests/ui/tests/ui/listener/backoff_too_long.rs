use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, queue, tries = 3, backoff = ["1s", "2s", "3s"])]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn main() {}
