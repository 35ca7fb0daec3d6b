use std::rc::Rc;

use events_core::{Event, listener};

#[derive(Clone, Debug, Event)]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid)]
async fn ship(event: &OrderPaid) {
    let order = Rc::new(event.order);
    std::future::ready(()).await;
    drop(order);
}

fn main() {}
