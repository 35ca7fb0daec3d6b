//! Wire forms: serde's own words hold for them, models travel by key.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use events_core::{AnyEvent, Event, Model};
use serde::{Deserialize, Serialize};

/// A model.
#[derive(Clone, Debug)]
pub struct Customer {
    id: u64,
}

impl Model for Customer {
    const NAME: &'static str = "customer";
    type Key = u64;

    fn key(&self) -> u64 {
        self.id
    }
}

/// Travels by value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    total: u64,
}

/// Named fields.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid", version = 2, after_commit)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderPaid {
    #[event(model)]
    bought_by: Customer,
    #[event(model)]
    #[serde(rename = "giftTo")]
    gift: Option<Customer>,
    #[event(model)]
    others: Vec<Customer>,
    receipt: Receipt,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(with = "as_text")]
    amount: u64,
    #[serde(skip)]
    cached: u8,
    r#type: String,
}

mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// A newtype.
#[derive(Event)]
#[event(durable, name = "order.shipped")]
pub struct OrderShipped(u64);

/// A tuple.
#[derive(Event)]
#[event(durable, name = "order.moved")]
pub struct OrderMoved(u64, #[event(model)] Customer);

/// A unit struct.
#[derive(Event)]
#[event(durable, name = "shop.opened")]
pub struct ShopOpened;

/// Models only.
#[derive(Event)]
#[event(durable, name = "customer.left")]
pub struct CustomerLeft {
    #[event(model)]
    customer: Customer,
}

/// An enum.
#[derive(Event)]
#[event(durable, name = "order.changed")]
#[serde(rename_all = "snake_case")]
pub enum OrderChanged {
    /// A unit variant.
    WasCancelled,
    /// A newtype variant.
    Paid(u64),
    /// A tuple variant.
    Moved(u64, #[event(model)] Customer),
    /// A variant with names.
    Gift {
        /// A model.
        #[event(model)]
        to: Customer,
        /// A value.
        note: String,
    },
}

pub(crate) fn main() {
    let ada = || Customer { id: 7 };
    let payload = |event: &dyn AnyEvent| event.payload().unwrap();
    let paid = OrderPaid {
        bought_by: ada(),
        gift: None,
        others: vec![ada()],
        receipt: Receipt { total: 5 },
        note: None,
        amount: 9,
        cached: 3,
        r#type: "a".into(),
    };
    assert_eq!(
        payload(&paid),
        r#"{"boughtBy":{"model":"customer","key":7},"giftTo":null,"others":[{"model":"customer","key":7}],"receipt":{"total":5},"amount":"9","type":"a"}"#
    );
    assert_eq!(paid.cached, 3);
    assert_eq!(payload(&OrderShipped(7)), "7");
    assert_eq!(
        payload(&OrderMoved(1, ada())),
        r#"[1,{"model":"customer","key":7}]"#
    );
    assert_eq!(payload(&ShopOpened), "null");
    assert_eq!(
        payload(&CustomerLeft { customer: ada() }),
        r#"{"customer":{"model":"customer","key":7}}"#
    );
    assert_eq!(payload(&OrderChanged::WasCancelled), r#""was_cancelled""#);
    assert_eq!(payload(&OrderChanged::Paid(7)), r#"{"paid":7}"#);
    assert_eq!(
        payload(&OrderChanged::Moved(1, ada())),
        r#"{"moved":[1,{"model":"customer","key":7}]}"#
    );
    assert_eq!(
        payload(&OrderChanged::Gift {
            to: ada(),
            note: "!".into()
        }),
        r#"{"gift":{"to":{"model":"customer","key":7},"note":"!"}}"#
    );
}
