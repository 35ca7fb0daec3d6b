use events_core::{Event, upcaster};
use serde_json::Value;

#[derive(Event)]
#[event(durable, name = "order.paid", version = 2)]
struct OrderPaid;

#[upcaster(OrderPaid, from = 1)]
fn up(old: Value) -> impl serde::Serialize {
    old
}

fn main() {}
