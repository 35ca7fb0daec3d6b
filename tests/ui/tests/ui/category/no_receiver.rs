use events_core::{AnyEvent, category};

#[category]
pub trait Audited: AnyEvent {
    fn new() -> u8;
}

fn main() {}
