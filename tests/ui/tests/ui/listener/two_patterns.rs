use events_core::{AnyEvent, Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[derive(Clone, Debug, Event)]
struct OrderShipped {
    order: u64,
}

#[listener("order.*", "invoice.*")]
fn audit(event: &dyn AnyEvent) {
    let _ = event;
}

fn main() {}
