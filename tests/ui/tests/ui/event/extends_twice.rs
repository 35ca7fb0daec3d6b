use events_core::{AnyEvent, Event, category};

#[category]
trait Audited: AnyEvent {}

#[derive(Event)]
#[event(extends(Audited, Audited))]
struct OrderPaid;

fn main() {}
