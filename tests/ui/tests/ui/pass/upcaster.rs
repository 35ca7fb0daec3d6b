//! Upcasters: of JSON, of typed forms, fallible or not, by hand.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use std::num::TryFromIntError;

use events_core::{Event, Events, upcaster};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event with a history.
#[derive(Debug, Event)]
#[event(durable, name = "order.paid", version = 5)]
pub struct OrderPaid {
    order: u32,
    note: Option<String>,
}

/// JSON to JSON.
#[upcaster(OrderPaid, from = 1, handle = FIRST)]
pub fn first(mut payload: Value) -> Value {
    payload["order"] = payload["id"].take();
    payload
}

#[derive(Deserialize)]
struct Second {
    order: u64,
}

#[derive(Serialize, Deserialize)]
struct Third {
    order: u32,
}

#[upcaster(OrderPaid, from = 2)]
fn r#typed(old: Second) -> Result<Third, TryFromIntError> {
    Ok(Third {
        order: old.order.try_into()?,
    })
}

type Mine<T> = Result<T, String>;

#[upcaster(OrderPaid, from = 3)]
fn of_an_alias(old: Third) -> Mine<(u32, Option<&'static str>)> {
    Ok((old.order, Some("old")))
}

mod inner {
    #[events_core::upcaster(super::OrderPaid, from = 4)]
    #[allow(clippy::needless_pass_by_value)]
    fn tuples((order, note): (u32, Option<String>)) -> serde_json::Value {
        serde_json::json!({ "order": order, "note": note })
    }
}

pub(crate) fn main() {
    let events = Events::builder().register_upcaster(FIRST).build().unwrap();
    let reading = std::pin::pin!(events.read_payload("order.paid", 1, r#"{"id":7}"#));
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(read) = reading.poll(&mut task) else {
        panic!("nothing waits");
    };
    let read = read.unwrap();
    let paid: &OrderPaid = read.downcast_ref().unwrap();
    assert_eq!((paid.order, paid.note.as_deref()), (7, Some("old")));
}
