use events_core::Event;

#[derive(Event)]
#[event(durabel, name = "order.paid")]
struct OrderPaid;

fn main() {}
