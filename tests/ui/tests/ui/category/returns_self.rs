use events_core::{AnyEvent, category};

#[category]
pub trait Audited: AnyEvent {
    fn copy(&self) -> Self;
}

fn main() {}
