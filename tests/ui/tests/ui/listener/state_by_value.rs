use events_core::{Event, State, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Db;

#[listener(OrderPaid)]
fn ship(event: &OrderPaid, db: State<Db>) {
    let _ = (event.order, db);
}

fn main() {}
