use events_core::category;

#[category]
pub struct Audited;

fn main() {}
