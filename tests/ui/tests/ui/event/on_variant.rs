use events_core::Event;

#[derive(Event)]
enum OrderChanged {
    #[event(name = "order.paid")]
    Paid,
    Shipped,
}

fn main() {}
