use events_core::Event;

#[derive(Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    #[event(modle)]
    order: u64,
}

fn main() {}
