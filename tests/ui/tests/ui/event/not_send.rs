use std::rc::Rc;

use events_core::Event;

#[derive(Event)]
struct OrderPaid {
    order: Rc<u64>,
}

fn main() {}
