use events_core::{AnyEvent, category};

#[category]
pub trait Audited: AnyEvent {
    async fn level(&self) -> u8;
}

fn main() {}
