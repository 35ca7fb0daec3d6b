use events_core::{Event, listener};

#[derive(Event)]
struct OrderPaid;

#[listener(OrderPaid, after_commit)]
fn ship(event: &OrderPaid) {
    let _ = event;
}

fn main() {}
