use events_core::Event;

struct Receipt;

#[derive(Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    receipt: Receipt,
}

fn main() {}
