use events_core::{AnyEvent, category};

#[category]
pub trait Audited<T>: AnyEvent {
    fn subject(&self) -> T;
}

fn main() {}
