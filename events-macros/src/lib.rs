//! The derive and attribute macros of `events-core` and `events-std`, which re-export them: depend on those instead.
//!
//! Each macro is a room with the same plan: `attr` reads what the attribute says, `ast` puts it together with the
//! item, `valid` holds the rules, `expand` writes the tokens. What they share lies beside them:
//!
//! - `options`: the grammar of `name`, `name = value`, `name(..)`, with "did you mean" from `suggest`
//! - `function`, `lifetimes`, `attributes`: what is read of the user's item; bodies never are
//! - `names`, `duration`: the rules of the values
//! - `errors`, `span`, `text`, `krate`: where mistakes and generated tokens stand, and how they are written
//!
//! Three rules hold everywhere. The user's item is given back as it came, also on a mistake. All mistakes of an item
//! are reported together, each once, at the user's own token, with what to write instead. What is generated stands in
//! one `const _: () = { .. };` behind the item, calls `events_core::__private` or `events_std::__private`, and holds no `unsafe` code.

mod attributes;
mod category;
mod duration;
mod errors;
mod event;
mod function;
mod krate;
mod lifetimes;
mod link_all;
mod listener;
mod listeners;
mod model;
mod names;
mod options;
mod provider;
mod span;
mod suggest;
mod text;
mod upcaster;

use proc_macro::TokenStream;

/// Makes a struct or an enum an event: a fact that listeners may hear.
///
/// ```text
/// #[derive(Clone, Debug, Event)]
/// pub struct OrderPaid {
///     pub order: u64,
/// }
///
/// #[derive(Clone, Debug, Event)]
/// #[event(durable, name = "order.shipped", extends(Audited))]
/// pub struct OrderShipped {
///     #[event(model)]
///     pub order: Order,
///     pub parcels: u32,
/// }
/// ```
///
/// | `#[event(..)]` on the type | |
/// |---|---|
/// | `name = "order.paid"` | The stored name, which name patterns see and a rename of the type leaves alone: lowercase ASCII letters, digits, `_` and `-`, in parts between dots. |
/// | `durable` | Gives the event a wire form, so that its listeners can be queued. Needs `name`. The fields' types implement serde's `Serialize` and `Deserialize`; `#[serde(..)]` on the type, its variants and fields shapes the wire form. |
/// | `version = 2` | The version of the wire form, from 1, which it is unless given. Needs `durable`. |
/// | `extends(A, B)` | Makes the event a member of these categories. |
/// | `response = T` | Lets listeners answer: they return `T` or `Option<T>`, or a `Result` of one of these. |
/// | `after_commit` | The event's inline listeners wait for the commit of an open transaction. Needs `Clone`. |
/// | `announced` | Dispatched in a transaction, the event's inline listeners run in one job that is written with its rows, at least once, through crashes. Needs `durable`. |
/// | `crate = path` | Where `events_core` is, if not at `::events_core`. |
///
/// | `#[event(..)]` on a field | |
/// |---|---|
/// | `model` | The field, an `M`, an `Option<M>` or a `Vec<M>` where `M: Model`, travels by key and is loaded again. Needs `durable`. |
///
/// On an event that is not durable, `#[serde(..)]` is left to the type's own serde derives.
///
/// An event has no generic parameters and no lifetimes: each event type has a name and listeners of its own.
///
/// Of serde's container attributes, `default`, `from`, `try_from`, `into`, `remote`, `bound` and `crate` are refused:
/// the wire form is a type beside the event.
#[proc_macro_derive(Event, attributes(event, serde))]
pub fn event(input: TokenStream) -> TokenStream {
    event::event(input.into()).into()
}

/// Registers a function as a listener, wherever in the program it stands.
///
/// ```text
/// #[listener(OrderPaid)]
/// fn print(event: &OrderPaid) {
///     println!("order {} paid", event.order);
/// }
///
/// #[listener(OrderShipped, queue = "mail", tries = 5, backoff = ["10s", "1m"])]
/// async fn send_mail(event: &OrderShipped, mailer: &State<Mailer>, attempt: Attempt) -> Result<(), MailError> {
///     mailer.send(event, attempt.number).await
/// }
/// ```
///
/// What it hears stands first:
///
/// | | the first argument |
/// |---|---|
/// | `#[listener]` | `&OrderPaid` or `&dyn Category` says it |
/// | `#[listener(OrderPaid)]` | `&OrderPaid` or `&dyn AnyEvent` |
/// | `#[listener(OrderPaid, OrderShipped)]` | `&dyn AnyEvent` |
/// | `#[listener(dyn Category)]` | `&dyn Category` or `&dyn AnyEvent` |
/// | `#[listener("order.*")]` | `&dyn AnyEvent`; `*` stands for any characters of an event's name |
///
/// After the event it may ask for up to eight values that implement `FromContext`: `&State<T>`, `Attempt`, `Delivery`,
/// `Events`, types of one's own. It returns `()`, `ControlFlow<()>`, the event's response, or a `Result` of one of
/// these.
///
/// | option | |
/// |---|---|
/// | `priority = 10` | High runs first; 0 unless given; may be negative. |
/// | `when = path` | Runs only if this `fn(&Event) -> bool` says so. |
/// | `after_commit` | Waits for the commit of a transaction that is open at the dispatch. The event is `Clone`. |
/// | `name = "orders.print"` | The full name; the function's path unless given. |
/// | `formerly = "old::name"` | A name, or a list of names, under which jobs of this listener may still be stored: they run here, and with `order_by` and `unique` their keys are the same as those of today's name. Programs that do not know the new name yet, as in the course of an upgrade, see only the keys of the old one. |
/// | `handle = PRINT` | Also makes a static of this name, with the function's visibility, for `EventsBuilder::register`. |
/// | `crate = path` | Where `events_core` is, if not at `::events_core`. |
///
/// A queued listener runs later, as a job. Its events are durable.
///
/// | option | |
/// |---|---|
/// | `queue`, `queue = "mail"` | Makes it one, of the default queue or of this one. |
/// | `tries = 5` | Attempts at most; 3 unless given, or no bound but time where `retry_for` is given. An error with an `events_core::Permanent` among its sources ends them at once. |
/// | `backoff = "10s"`, `["10s", "1m"]` | The waits between attempts; the last repeats. 10 s, 1 min and 5 min unless given. |
/// | `jitter` | Each wait is drawn between half of it and the whole, so that what failed together is not tried again together. |
/// | `timeout = "30s"` | How long one attempt may take; 1 min unless given, in a worker of `events-std`. A listener, or a hook, that asks for the transaction has 5 s at most on SQLite, where all others who write wait for it. |
/// | `delay = "5m"` | How long the first attempt waits. |
/// | `retry_for = "6h"` | How long after the dispatch an attempt may still start. |
/// | `unique`, `unique = path` | An equal job that still waits makes this one superfluous. Equal is the payload, or what this `fn(&Event) -> impl Display` gives. |
/// | `unique_for = "1h"` | How long a job keeps equal ones away at most. |
/// | `unique_until_start` | It keeps them away only until its first attempt starts, rather than until it ends. |
/// | `order_by = path` | Jobs for which this `fn(&Event) -> impl Display` gives the same run in the order in which they were dispatched, never two at once. A sync listener that overruns its timeout, or the grace time of a shutdown, cannot be stopped: what is left of it may run beside the next. |
/// | `failed = path` | Runs when the job has failed for good: `fn(&Event, &JobFailure, ..)`, sync or async, with a listener's arguments. It has the listener's timeout. `&Event` is as in the listener. At least once; exactly once for what it writes through a transaction that it asks for: it has one of its own, in which the job is parked. One that ends its process is begun 5 times at most. |
/// | `on_missing = "fail"`, `"discard"` | What happens to the job if a model is gone. |
///
/// Durations are whole numbers with `ms`, `s`, `m`, `h` or `d`.
#[proc_macro_attribute]
pub fn listener(attr: TokenStream, item: TokenStream) -> TokenStream {
    listener::listener(attr.into(), item.into()).into()
}

/// Makes methods of a value listeners; the value is given to `EventsBuilder::subscribe`.
///
/// ```text
/// #[listeners]
/// impl Mailer {
///     #[listener(OrderPaid)]
///     fn thank(&self, event: &OrderPaid) { .. }
///
///     #[listener(OrderShipped, queue = "mail")]
///     async fn announce(&self, event: &OrderShipped) -> Result<(), MailError> { .. }
/// }
///
/// let events = Events::builder().subscribe(Mailer::new()).build()?;
/// ```
///
/// The methods take `&self`, then what a [`macro@listener`] takes, and their attribute knows its options but `handle`.
/// A type has one such block, without generic parameters. The option of `#[listeners]` itself is `crate = path`.
#[proc_macro_attribute]
pub fn listeners(attr: TokenStream, item: TokenStream) -> TokenStream {
    listeners::listeners(attr.into(), item.into()).into()
}

/// Makes a trait a category: events extend it, and a listener of `dyn Trait` hears them all.
///
/// ```text
/// #[category]
/// pub trait Audited: AnyEvent {
///     fn subject(&self) -> String;
/// }
///
/// #[derive(Event)]
/// #[event(extends(Audited))]
/// pub struct OrderPaid { pub order: u64 }
///
/// impl Audited for OrderPaid {
///     fn subject(&self) -> String { format!("order {}", self.order) }
/// }
///
/// #[listener(dyn Audited)]
/// fn record(event: &dyn Audited) { .. }
/// ```
///
/// `AnyEvent` is among the trait's supertraits. Where every function of the trait has a body, or there is none, an
/// event implements it by extending it; there is no `impl` to write then.
///
/// | option | |
/// |---|---|
/// | `inline_only` | Listeners of its events cannot be queued: they are the work itself. |
/// | `crate = path` | Where `events_core` is, if not at `::events_core`. |
#[proc_macro_attribute]
pub fn category(attr: TokenStream, item: TokenStream) -> TokenStream {
    category::category(attr.into(), item.into()).into()
}

/// Registers the function that loads the models of one type, which events carry by key.
///
/// ```text
/// #[model]
/// async fn load_order(key: u64, db: &State<Db>) -> Result<Option<Order>, DbError> {
///     db.order(key).await
/// }
/// ```
///
/// It takes the key by value, then what a [`macro@listener`] may ask for. It may be sync.
///
/// | option | |
/// |---|---|
/// | `handle = ORDERS` | Also makes a static of this name, with the function's visibility, for `EventsBuilder::register_model`, where it takes the place of other loaders of the model. |
/// | `crate = path` | Where `events_core` is, if not at `::events_core`. |
#[proc_macro_attribute]
pub fn model(attr: TokenStream, item: TokenStream) -> TokenStream {
    model::model(attr.into(), item.into()).into()
}

/// Registers the function that turns a payload of one version of a durable event into one of the next.
///
/// ```text
/// #[derive(Event)]
/// #[event(durable, name = "order.paid", version = 3)]
/// pub struct OrderPaid { pub order: u64, pub cents: u64, pub currency: String }
///
/// /// Version 1 counted whole euros.
/// #[upcaster(OrderPaid, from = 1)]
/// fn in_cents(old: V1) -> Result<V2, Overflow> {
///     Ok(V2 { order: old.order, cents: old.euros.checked_mul(100).ok_or(Overflow)? })
/// }
///
/// /// Version 2 knew euros only.
/// #[upcaster(OrderPaid, from = 2)]
/// fn with_currency(mut payload: serde_json::Value) -> serde_json::Value {
///     payload["currency"] = "EUR".into();
///     payload
/// }
/// ```
///
/// It takes a `serde_json::Value`, or a type that implements `Deserialize` and has the old form, and gives back a value
/// that implements `Serialize` and has the next, or a `Result` of one. A model stands in a payload as
/// `{"model": "customer", "key": 7}`. The function sees nothing but the payload, so that it gives the same each time.
///
/// Upcasters are found wherever in the program they stand, and are run one after the other up to the event's version.
/// `build()` refuses two from one version, a gap between them, and one to which the event has no next version.
///
/// | option | |
/// |---|---|
/// | `from = 1` | The version that it takes. |
/// | `handle = CENTS` | Also makes a static of this name, with the function's visibility, for `EventsBuilder::register_upcaster`. |
/// | `crate = path` | Where `events_core` is, if not at `::events_core`. |
#[proc_macro_attribute]
pub fn upcaster(attr: TokenStream, item: TokenStream) -> TokenStream {
    upcaster::upcaster(attr.into(), item.into()).into()
}

/// Registers a provider at link time, with the capabilities that it names. For `events-std`, which re-exports it.
///
/// ```text
/// #[provider(ScheduledSync, HealthCheck, Redact, Webhooks, OAuth)]
/// impl Provider for Zendesk {
///     const KEY: &'static str = "zendesk";
///     const NAME: &'static str = "Zendesk";
///     type Credentials = ZendeskCredentials;
///     type Metadata = NoMetadata;
/// }
/// ```
///
/// | option | |
/// |---|---|
/// | `ScheduledSync`, `HealthCheck`, `Redact`, `Webhooks`, `OAuth` | The type implements this trait, and the engine uses it. |
/// | `instance` | The value is given to `IntegrationsBuilder::provider`, rather than made by `Default`. |
/// | `crate = path` | Where `events_std` is, if not at `::events_std`. |
#[proc_macro_attribute]
pub fn provider(attr: TokenStream, item: TokenStream) -> TokenStream {
    provider::provider(attr.into(), item.into()).into()
}

/// Links every direct dependency of the crate in which it stands, so that no crate of listeners is left out.
///
/// ```text
/// events_core::link_all!();
/// ```
///
/// rustc does not link a crate that no code names, and its listeners are lost with it. The plain cure is
/// `use that_crate as _;` for each. This macro writes that for all: it reads the `--extern` arguments of the running
/// compiler, which no compiler promises to show to macros. Where they are not to be seen, it links nothing, silently;
/// so let `EventsBuilder::expect_listeners_from` check.
#[proc_macro]
pub fn link_all(input: TokenStream) -> TokenStream {
    link_all::link_all(input.into()).into()
}
