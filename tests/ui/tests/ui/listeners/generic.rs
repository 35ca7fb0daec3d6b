use events_core::{Event, listeners};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Mailer<T>(T);

#[listeners]
impl<T> Mailer<T> {
    #[listener(OrderPaid)]
    fn ship(&self, event: &OrderPaid) {
        let _ = event.order;
    }
}

fn main() {}
