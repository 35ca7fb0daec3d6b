use events_core::Event;

#[derive(Event)]
#[event(colour = "red")]
struct OrderPaid;

fn main() {}
