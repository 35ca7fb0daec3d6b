use events_core::{AnyEvent, category, listener};

#[category]
trait Audited: AnyEvent {}

#[category]
trait Billed: AnyEvent {}

#[listener(dyn Audited, dyn Billed)]
fn count(event: &dyn AnyEvent) {
    let _ = event;
}

fn main() {}
