use events_core::category;

#[category]
pub trait Audited: Send {}

fn main() {}
