use events_core::Event;

#[derive(Event)]
#[event(response)]
struct PriceAsked;

fn main() {}
