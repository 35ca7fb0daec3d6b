//! The events and listeners that the catalog tests look at. Expected texts name lines of this file.

use events_core::{
    AnyEvent, BoxFuture, Capability, Event, Events, EventsBuilder, Job, JobFailure, Model,
    PushError, Queue, State, category, listener, listeners, model, upcaster,
};

pub(crate) struct Stock;

/// What the accountants read.
#[category]
pub(crate) trait Audited: AnyEvent {}

#[derive(Clone, Debug)]
pub(crate) struct Customer(u64);

impl Model for Customer {
    const NAME: &'static str = "customer";
    type Key = u64;

    fn key(&self) -> u64 {
        self.0
    }
}

#[model]
fn customer(id: u64) -> Result<Option<Customer>, std::convert::Infallible> {
    Ok(Some(Customer(id)))
}

/// An order is paid in full.
///
/// Shipping may start.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid", version = 2, extends(Audited))]
pub(crate) struct OrderPaid {
    #[event(model)]
    pub(crate) customer: Customer,
}

#[derive(Clone, Debug, Event)]
#[event(name = "order.shipped", after_commit)]
pub(crate) struct OrderShipped;

/// Asks what an order costs.
#[derive(Debug, Event)]
#[event(response = u32)]
pub(crate) struct PriceAsked;

#[derive(Debug, Event)]
pub(crate) struct Unheard;

/// Tells the customer.
///
/// By mail.
#[listener(
    OrderPaid,
    queue = "mail",
    tries = 5,
    backoff = ["10s", "1m"], jitter,
    timeout = "90s",
    delay = "500ms",
    retry_for = "2d",
    unique = customers_key,
    unique_for = "1h", unique_until_start, order_by = customers_key,
    failed = receipt_failed,
    on_missing = "discard",
    formerly = "shop::mail"
)]
async fn receipt(_: &OrderPaid) {}

fn customers_key(event: &OrderPaid) -> String {
    event.customer.0.to_string()
}

fn receipt_failed(_: &OrderPaid, _: &JobFailure) {}

#[listener(OrderPaid, queue = "default", priority = 1)]
fn export(_: &OrderPaid) {}

/// Takes the goods off the shelf.
#[listener(OrderPaid, priority = 10)]
fn reserve(_: &OrderPaid, _: &State<Stock>) {}

#[listener(OrderPaid, when = is_large)]
fn praise(_: &OrderPaid) {}

fn is_large(event: &OrderPaid) -> bool {
    event.customer.0 > 100
}

#[listener(dyn Audited)]
async fn book(_: &dyn Audited) {}

#[listener("order.*", name = "say.all", after_commit)]
fn say_all(_: &dyn AnyEvent) {}

#[listener(OrderPaid, OrderShipped, PriceAsked, priority = -5)]
fn count(_: &dyn AnyEvent) {}

#[listener(PriceAsked)]
fn price(_: &PriceAsked) -> u32 {
    7
}

#[listener("refund.*")]
fn refunds(_: &dyn AnyEvent) {}

pub(crate) struct Shelf;

#[listeners]
impl Shelf {
    /// Makes room.
    #[listener(OrderShipped)]
    fn clear(&self, _: &OrderShipped) {}
}

/// A queue that promises everything and keeps nothing.
struct Nowhere;

impl Queue for Nowhere {
    fn capabilities(&self) -> &[Capability] {
        use Capability as C;
        &[
            C::Tries,
            C::Backoff,
            C::Timeout,
            C::Delay,
            C::RetryFor,
            C::Unique,
            C::Failed,
            C::OnMissing,
            C::Jitter,
            C::UniqueUntilStart,
            C::OrderBy,
        ]
    }

    fn push(&self, _: Vec<Job>) -> BoxFuture<'_, Result<(), PushError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

pub(crate) fn builder() -> EventsBuilder {
    Events::builder()
        .queue(Nowhere)
        .state(Stock)
        .subscribe(Shelf)
        .listen("say \"paid\" [#1]", |_: &OrderPaid| {})
}

#[upcaster(OrderPaid, from = 1)]
fn customers_by_key(old: u64) -> serde_json::Value {
    serde_json::json!({ "customer": { "model": "customer", "key": old } })
}
