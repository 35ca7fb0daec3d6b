use events_core::Event;

#[derive(Event)]
struct OrderPaid {
    #[event(model)]
    order: u64,
}

fn main() {}
