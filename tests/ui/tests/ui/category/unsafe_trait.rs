use events_core::{AnyEvent, category};

#[category]
pub unsafe trait Audited: AnyEvent {}

fn main() {}
