use events_core::Event;

#[derive(Event)]
#[event(durable name = "order.paid")]
struct OrderPaid;

fn main() {}
