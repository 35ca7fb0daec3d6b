use events_core::{Event, listeners};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Mailer;

#[listeners]
impl Mailer {
    #[listener(OrderPaid)]
    fn ship(&self) {}
}

fn main() {}
