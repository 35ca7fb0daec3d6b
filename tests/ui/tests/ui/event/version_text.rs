use events_core::Event;

#[derive(Event)]
#[event(durable, name = "order.paid", version = "2")]
struct OrderPaid;

fn main() {}
