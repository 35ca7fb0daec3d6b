use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Db;

#[listener(OrderPaid)]
fn ship(event: &OrderPaid, db: &Db) {
    let _ = (event.order, db);
}

fn main() {}
