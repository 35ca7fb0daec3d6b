use events_core::Event;

#[derive(Event)]
#[event(durable)]
struct OrderPaid {
    order: u64,
}

fn main() {}
