use events_core::Event;

#[derive(Event)]
#[event(extends(dyn Audited))]
struct OrderPaid;

fn main() {}
