use events_core::{Event, JobFailure, listener};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[derive(Clone, Debug, Event)]
struct OrderShipped;

#[listener(OrderPaid, queue, failed = parked)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn parked(_: &OrderShipped, _: &JobFailure) {}

fn main() {}
