use events_core::{Attempt, Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid)]
fn ship(
    event: &OrderPaid,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    _: Attempt,
    ninth: Attempt,
) {
    let _ = (event.order, ninth);
}

fn main() {}
