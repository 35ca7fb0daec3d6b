//! Today's program: orders have a currency, and are entered in a ledger.

use events_core::{Event, Events, State, listener, upcaster};
use serde_json::{Value, json};
use upgrades::Effects;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "upgrades.order_paid", version = 2)]
struct OrderPaid {
    order: u64,
    currency: String,
}

#[upcaster(OrderPaid, from = 1)]
fn with_currency(mut payload: Value) -> Value {
    payload["currency"] = json!("EUR");
    payload
}

#[listener(OrderPaid, name = "receipt", queue)]
async fn receipt(event: &OrderPaid, effects: &State<Effects>) {
    if event.currency == "EUR" {
        effects.meet().await;
    }
    effects.write(&format!("receipt {} in {}", event.order, event.currency));
}

#[listener(OrderPaid, name = "ledger", queue)]
async fn ledger(event: &OrderPaid, effects: &State<Effects>) {
    effects.write(&format!("ledger {} in {}", event.order, event.currency));
}

#[tokio::main]
async fn main() {
    let push = async |events: &Events| {
        for order in 100..110 {
            let currency = "CHF".to_owned();
            let paid = OrderPaid { order, currency };
            events.dispatch(&paid).await.unwrap();
        }
    };
    upgrades::run("new", push).await;
}
