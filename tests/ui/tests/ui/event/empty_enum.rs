use events_core::Event;

#[derive(Event)]
#[event(durable, name = "order.paid")]
enum OrderChanged {}

fn main() {}
