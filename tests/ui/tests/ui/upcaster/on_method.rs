use events_core::{Event, upcaster};
use serde_json::Value;

#[derive(Event)]
#[event(durable, name = "order.paid", version = 2)]
struct OrderPaid;

struct Up;

impl Up {
    #[upcaster(OrderPaid, from = 1)]
    fn up(&self, old: Value) -> Value {
        old
    }
}

fn main() {}
