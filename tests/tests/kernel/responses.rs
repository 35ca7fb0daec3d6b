//! Events that ask, and listeners that answer.

use events_core::{Event, listener};
use pollster::block_on;

use crate::{builder, once_pending};

#[derive(Debug, Event)]
#[event(response = u64)]
struct PriceAsked {
    item: &'static str,
}

#[listener(PriceAsked, priority = 2)]
fn nothing_to_say(_: &PriceAsked) {}

#[listener(PriceAsked, priority = 1)]
async fn list_price(event: &PriceAsked) -> Option<u64> {
    once_pending().await;
    (event.item != "free").then_some(100)
}

#[listener(PriceAsked)]
fn sale_price(event: &PriceAsked) -> Result<u64, String> {
    if event.item == "broken" {
        return Err("no price".to_owned());
    }
    Ok(80)
}

#[listener(PriceAsked, priority = -1)]
fn last_price(_: &PriceAsked) -> u64 {
    60
}

#[test]
fn dispatch_collects_answers_in_order() {
    let events = builder(module_path!()).build().unwrap();
    let dispatched = block_on(events.dispatch(&PriceAsked { item: "pen" })).unwrap();
    assert_eq!(dispatched.answers(), [100, 80, 60]);
    assert!(dispatched.stopped_by().is_none());
}

#[test]
fn dispatch_until_stops_at_the_first_answer() {
    let events = builder(module_path!()).build().unwrap();
    let dispatched = block_on(events.dispatch_until(&PriceAsked { item: "free" })).unwrap();
    assert!(
        dispatched
            .stopped_by()
            .unwrap()
            .name()
            .ends_with("sale_price")
    );
    assert_eq!(dispatched.into_answer(), Some(80));
}

#[test]
fn an_error_carries_the_answers_besides() {
    let events = builder(module_path!()).build().unwrap();
    let error = block_on(events.dispatch(&PriceAsked { item: "broken" })).unwrap_err();
    assert_eq!(error.failures().len(), 1);
    assert_eq!(error.dispatched().answers(), [100, 60]);
}
