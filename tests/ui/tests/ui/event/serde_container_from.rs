use events_core::Event;

#[derive(Event)]
#[event(durable, name = "order.paid")]
#[serde(from = "u64")]
struct OrderPaid {
    order: u64,
}

fn main() {}
