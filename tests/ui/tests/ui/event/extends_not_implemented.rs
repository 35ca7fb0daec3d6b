use events_core::{AnyEvent, Event, category};

#[category]
trait Audited: AnyEvent {
    fn level(&self) -> u8;
}

#[derive(Event)]
#[event(extends(Audited))]
struct OrderPaid;

fn main() {}
