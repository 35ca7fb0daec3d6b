use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Broken;

#[listener(OrderPaid)]
fn ship(event: &OrderPaid) -> Result<(), Broken> {
    let _ = event.order;
    Err(Broken)
}

fn main() {}
