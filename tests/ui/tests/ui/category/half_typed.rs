use events_core::{AnyEvent, category};

#[category]
pub trait Audited: AnyEvent {
    fn level(&self) -> u8 {
        let _level = self.;
        1
    }
}

fn main() {}
