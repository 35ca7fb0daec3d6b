use events_core::model;

#[model]
struct Order;

fn main() {}
