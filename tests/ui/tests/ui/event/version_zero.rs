use events_core::Event;

#[derive(Event)]
#[event(durable, name = "order.paid", version = 0)]
struct OrderPaid;

fn main() {}
