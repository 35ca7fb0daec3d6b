use events_core::Event;

#[derive(Event)]
#[event(response = &str)]
struct PriceAsked;

fn main() {}
