use events_core::Event;

#[derive(Event)]
#[event(name = "order..paid")]
struct OrderPaid;

fn main() {}
