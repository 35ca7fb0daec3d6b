use events_core::{AnyEvent, Event, JobFailure, category, listener};

#[category]
trait Audited: AnyEvent {}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid", extends(Audited))]
struct OrderPaid;

#[listener(dyn Audited, queue, failed = parked)]
fn count(event: &dyn Audited) {
    let _ = event;
}

fn parked(_: &OrderPaid, _: &JobFailure) {}

fn main() {}
