use events_core::Event;

#[derive(Event)]
#[event(response = Result<u64, String>)]
struct PriceAsked;

fn main() {}
