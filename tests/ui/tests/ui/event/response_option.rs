use events_core::Event;

#[derive(Event)]
#[event(response = Option<u64>)]
struct PriceAsked;

fn main() {}
