use events_core::Event;

#[derive(Event)]
#[event(durable, name = "order.paid")]
#[serde(default)]
struct OrderPaid {
    order: u64,
}

fn main() {}
