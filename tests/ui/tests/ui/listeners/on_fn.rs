use events_core::{Event, listeners};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Mailer;

#[listeners]
fn ship(event: &OrderPaid) {
    let _ = event.order;
}

fn main() {}
