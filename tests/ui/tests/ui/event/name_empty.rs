use events_core::Event;

#[derive(Event)]
#[event(name = "")]
struct OrderPaid;

fn main() {}
