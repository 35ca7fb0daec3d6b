use events_core::Event;

#[derive(Event)]
#[event(name = "order.*")]
struct OrderPaid;

fn main() {}
