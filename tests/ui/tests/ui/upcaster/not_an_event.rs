use events_core::{upcaster};
use serde_json::Value;

struct OrderPaid;

#[upcaster(OrderPaid, from = 1)]
fn up(old: Value) -> Value {
    old
}

fn main() {}
