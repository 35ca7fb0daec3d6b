//! The program of last year.

use events_core::{Event, Events, State, listener};
use upgrades::Effects;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "upgrades.order_paid")]
struct OrderPaid {
    order: u64,
}

/// Nobody has faxed since.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "upgrades.fax_sent")]
struct FaxSent {
    order: u64,
}

#[listener(OrderPaid, name = "receipt", queue)]
async fn receipt(event: &OrderPaid, effects: &State<Effects>) {
    effects.meet().await;
    effects.write(&format!("receipt {}", event.order));
}

/// A listener that today's program does not have any more.
#[listener(OrderPaid, name = "archive", queue)]
async fn archive(event: &OrderPaid, effects: &State<Effects>) {
    effects.write(&format!("archive {}", event.order));
}

#[listener(FaxSent, name = "fax", queue = "faxes")]
async fn fax(event: &FaxSent, effects: &State<Effects>) {
    effects.write(&format!("fax {}", event.order));
}

#[tokio::main]
async fn main() {
    let push = async |events: &Events| {
        for order in 0..10 {
            events.dispatch(&OrderPaid { order }).await.unwrap();
            events.dispatch(&FaxSent { order }).await.unwrap();
        }
    };
    upgrades::run("old", push).await;
}
