use events_core::{Attempt, Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid)]
fn ship(event: &OrderPaid, #[cfg(test)] attempt: Attempt) {
    let _ = event.order;
}

fn main() {}
