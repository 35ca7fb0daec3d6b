use events_core::listener;

#[listener(OrderPaid)]
struct OrderPaid;

fn main() {}
