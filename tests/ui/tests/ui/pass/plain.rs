//! Structs of every kind and enums, without a wire form.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use events_core::{AnyEvent, Event};

/// Named fields.
#[derive(Clone, Debug, Event)]
#[event(name = "order.paid")]
pub struct OrderPaid {
    /// The order.
    pub order: u64,
}

/// Neither `Clone` nor `Debug`.
#[derive(Event)]
pub struct Opaque(u8, String);

/// A unit struct.
#[derive(Event)]
pub struct Started;

/// An enum.
#[derive(Debug, Event)]
pub enum OrderChanged {
    /// A variant with a field.
    Paid(u64),
    /// A variant without.
    Cancelled,
}

/// What serde shapes for other uses.
#[derive(Event, serde::Serialize)]
#[event(name = "order.shown")]
#[serde(rename_all = "camelCase")]
pub struct OrderShown {
    #[serde(rename = "id")]
    order_number: u64,
}

/// A name that is a keyword.
#[derive(Event)]
#[allow(non_camel_case_types)]
pub struct r#type;

pub(crate) fn main() {
    /// Inside of a function.
    #[derive(Event)]
    struct Local;

    let name = |event: &dyn AnyEvent| event.name();
    let (paid, opaque) = (OrderPaid { order: 7 }, Opaque(0, String::new()));
    assert_eq!(name(&paid), "order.paid");
    assert_eq!(name(&opaque), "Opaque");
    assert_eq!((paid.order, opaque.0, opaque.1.as_str()), (7, 0, ""));
    assert_eq!(name(&Started), "Started");
    assert_eq!(name(&r#type), "type");
    assert_eq!(name(&Local), "Local");

    assert_eq!(name(&OrderShown { order_number: 7 }), "order.shown");

    let debug = |event: &dyn AnyEvent| format!("{event:?}");
    assert_eq!(debug(&OrderPaid { order: 7 }), "OrderPaid { order: 7 }");
    assert_eq!(debug(&OrderChanged::Paid(7)), "Paid(7)");
    assert_eq!(debug(&OrderChanged::Cancelled), "Cancelled");
    assert!(!matches!(OrderChanged::Cancelled, OrderChanged::Paid(7)));
    assert_eq!(debug(&Opaque(0, String::new())), "Opaque");
}
