use events_core::Event;

#[derive(Event)]
#[event]
struct OrderPaid;

fn main() {}
