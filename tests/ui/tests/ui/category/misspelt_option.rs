use events_core::{AnyEvent, category};

#[category(inline_onyl)]
pub trait Audited: AnyEvent {}

fn main() {}
