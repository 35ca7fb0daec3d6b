use events_core::Event;

#[derive(Event)]
#[event(durable, name = order)]
struct OrderPaid;

fn main() {}
