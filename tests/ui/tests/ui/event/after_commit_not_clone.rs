use events_core::Event;

#[derive(Event)]
#[event(after_commit)]
struct OrderPaid;

fn main() {}
