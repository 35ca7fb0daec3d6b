use events_core::{AnyEvent, Event};

trait Audited: AnyEvent {}

impl Audited for OrderPaid {}

#[derive(Event)]
#[event(extends(Audited))]
struct OrderPaid;

fn main() {}
