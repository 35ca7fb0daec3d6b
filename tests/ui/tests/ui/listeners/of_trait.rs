use events_core::{Event, listeners};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Mailer;

trait Ship {
    fn ship(&self, event: &OrderPaid);
}

#[listeners]
impl Ship for Mailer {
    #[listener(OrderPaid)]
    fn ship(&self, event: &OrderPaid) {
        let _ = event.order;
    }
}

fn main() {}
