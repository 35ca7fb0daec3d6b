use events_core::Event;

#[derive(Event)]
struct OrderPaid<'a> {
    customer: &'a str,
}

fn main() {}
