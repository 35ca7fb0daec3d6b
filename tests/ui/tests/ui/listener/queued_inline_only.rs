use events_core::{AnyEvent, Event, category, listener};

#[category(inline_only)]
trait SyncItem: AnyEvent {}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid", extends(SyncItem))]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, queue)]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn main() {}
