use events_core::{AnyEvent, category, listener};

#[category]
trait Audited: AnyEvent {}

#[listener(dyn Audited, queue, failed = parked)]
fn count(event: &dyn Audited) {
    let _ = event;
}

fn main() {}
