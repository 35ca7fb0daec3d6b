use events_core::{Attempt, Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Db;

#[listener(OrderPaid)]
fn ship(event: &OrderPaid, attempt: Attempt, db: &Db) {
    let _ = (event.order, attempt, db);
}

fn main() {}
