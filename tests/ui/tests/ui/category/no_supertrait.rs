use events_core::category;

#[category]
pub trait Audited {}

fn main() {}
