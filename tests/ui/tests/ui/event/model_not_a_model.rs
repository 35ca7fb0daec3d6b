use events_core::Event;

#[derive(Clone, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    #[event(model)]
    order: u64,
}

fn main() {}
