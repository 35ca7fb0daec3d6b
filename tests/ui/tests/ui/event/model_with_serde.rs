use events_core::Event;

#[derive(Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    #[event(model)]
    #[serde(default)]
    order: u64,
}

fn main() {}
