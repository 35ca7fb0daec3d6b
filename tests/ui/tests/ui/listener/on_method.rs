use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Mailer;

impl Mailer {
    #[listener(OrderPaid)]
    fn ship(&self, event: &OrderPaid) {
        let _ = event.order;
    }
}

fn main() {}
