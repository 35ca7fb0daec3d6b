use events_core::Event;

#[derive(Event)]
#[event(extends())]
struct OrderPaid;

fn main() {}
