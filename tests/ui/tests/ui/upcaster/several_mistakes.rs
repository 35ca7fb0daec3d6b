use events_core::{Event, upcaster};
use serde_json::Value;

#[derive(Event)]
#[event(durable, name = "order.paid", version = 2)]
struct OrderPaid;

#[upcaster(OrderPaid, from = 0, handel = UP)]
async fn up(old: &Value) {
    drop(old);
}

fn main() {}
