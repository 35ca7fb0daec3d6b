use events_core::Event;

#[derive(Event)]
#[event(extends(Audited))]
struct OrderPaid;

fn main() {}
