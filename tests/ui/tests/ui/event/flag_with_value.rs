use events_core::Event;

#[derive(Event)]
#[event(durable = true, name = "order.paid")]
struct OrderPaid;

fn main() {}
