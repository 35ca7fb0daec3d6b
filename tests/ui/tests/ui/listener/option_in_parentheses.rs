use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, queue("mail"))]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn main() {}
