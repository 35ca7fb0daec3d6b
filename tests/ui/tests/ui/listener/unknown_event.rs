use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[listener]
fn ship(event: &OrderPayd) {
    let _ = event;
}

fn main() {}
