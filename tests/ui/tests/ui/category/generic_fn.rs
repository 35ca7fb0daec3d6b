use events_core::{AnyEvent, category};

#[category]
pub trait Audited: AnyEvent {
    fn write<W>(&self, to: W);
}

fn main() {}
