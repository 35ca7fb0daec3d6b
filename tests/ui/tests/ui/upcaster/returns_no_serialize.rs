use events_core::{Event, upcaster};
use serde_json::Value;

#[derive(Event)]
#[event(durable, name = "order.paid", version = 2)]
struct OrderPaid;

struct New;

#[upcaster(OrderPaid, from = 1)]
fn up(old: Value) -> New {
    drop(old);
    New
}

fn main() {}
