use events_core::Event;

#[derive(Event)]
#[event(name = "order.paid")]
#[event(name = "order.settled")]
struct OrderPaid;

fn main() {}
