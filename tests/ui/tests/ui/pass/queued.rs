//! Every option of queued listeners, sync and async.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use std::convert::Infallible;

use events_core::{AnyEvent, BoxError, Event, JobFailure, Model, State, category, listener, model};

/// A category whose listeners may be queued.
#[category]
pub trait Audited: AnyEvent {}

/// An event.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid", extends(Audited))]
pub struct OrderPaid {
    #[event(model)]
    order: Order,
}

/// Another.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.shipped")]
pub struct OrderShipped(u64);

/// A model.
#[derive(Clone, Debug)]
pub struct Order(u64);

impl Model for Order {
    const NAME: &'static str = "order";
    type Key = u64;

    fn key(&self) -> u64 {
        self.0
    }
}

#[model]
async fn load(key: u64, db: &State<u8>) -> Result<Option<Order>, BoxError> {
    std::future::ready(db).await;
    Ok(Some(Order(key)))
}

/// Another model.
pub struct Invoice(u64);

impl Model for Invoice {
    const NAME: &'static str = "invoice";
    type Key = u64;

    fn key(&self) -> u64 {
        self.0
    }
}

#[model(handle = INVOICES)]
fn load_invoice(key: u64) -> Result<Option<Invoice>, Infallible> {
    Ok(Some(Invoice(key)))
}

#[listener(
    OrderPaid,
    queue = "mail",
    tries = 5,
    backoff = ["10s", "1m"],
    jitter,
    timeout = "30s",
    delay = "500ms",
    retry_for = "6h",
    unique = key,
    unique_for = "1h",
    unique_until_start,
    order_by = number,
    failed = parked,
    on_missing = "discard"
)]
async fn all(event: &OrderPaid, db: &State<u8>) -> Result<(), BoxError> {
    std::future::ready((event, db)).await;
    Ok(())
}

fn key(event: &OrderPaid) -> String {
    event.order.0.to_string()
}

fn number(event: &OrderPaid) -> u64 {
    event.order.0
}

fn parked(_: &OrderPaid, _: &JobFailure, _: &State<u8>) {}

#[listener(queue, unique, failed = parked_later, on_missing = "fail")]
fn some(_: &OrderPaid) {}

async fn parked_later(_: &OrderPaid, _: &JobFailure) -> Result<(), BoxError> {
    std::future::ready(()).await;
    Ok(())
}

#[listener(OrderPaid, OrderShipped, queue, unique = name, failed = any_parked)]
fn several(_: &dyn AnyEvent) {}

fn any_parked(_: &dyn AnyEvent, _: &JobFailure) {}

fn name(event: &dyn AnyEvent) -> &'static str {
    event.name()
}

#[listener("order.*", queue, backoff = "1m", failed = any_parked)]
async fn pattern(_: &dyn AnyEvent) {
    std::future::ready(()).await;
}

#[listener(dyn Audited, queue, unique = audited, order_by = audited, failed = audited_parked)]
fn category(_: &dyn Audited) {}

fn audited(event: &dyn Audited) -> &'static str {
    event.name()
}

async fn audited_parked(_: &dyn Audited, _: &JobFailure) {
    std::future::ready(()).await;
}

pub(crate) fn main() {
    let _: events_core::ModelHandle = INVOICES;
}
