use events_core::{AnyEvent, category};

#[category(inline_only = true)]
pub trait Audited: AnyEvent {}

fn main() {}
