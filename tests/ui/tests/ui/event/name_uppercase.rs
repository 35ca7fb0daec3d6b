use events_core::Event;

#[derive(Event)]
#[event(name = "OrderPaid")]
struct OrderPaid;

fn main() {}
