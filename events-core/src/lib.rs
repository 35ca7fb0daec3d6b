//! Typed events with link-time listeners.
//!
//! ```standalone_crate
//! use events_core::{listener, Event};
//!
//! #[derive(Clone, Debug, Event)]
//! pub struct OrderPaid {
//!     pub order: u64,
//! }
//!
//! #[listener(OrderPaid)]
//! fn print(event: &OrderPaid) {
//!     println!("order {} paid", event.order);
//! }
//!
//! fn main() {
//!     OrderPaid { order: 7 }.dispatch_sync().unwrap();
//! }
//! ```
//!
//! The nouns:
//!
//! - [`Event`]: something that has happened. Derive it. [`AnyEvent`] is one whose type is not known here.
//! - [`listener`](macro@listener): marks a function that hears an event, wherever in the program it is written.
//! - [`Events`]: the dispatcher, made by [`EventsBuilder`]. [`Dispatched`] and [`DispatchError`] are what it says.
//! - [`State`], [`Delivery`], [`Attempt`], [`FromContext`]: what a listener may ask for.
//! - [`category`](macro@category): marks a trait that many events extend and a listener can name.
//! - [`Queue`], [`Job`], [`MemoryQueue`]: listeners that run later. [`Permanent`] is a failure that they do not try again.
//! - [`Model`]: a record that an event carries by key.
//! - [`upcaster`](macro@upcaster): marks a function that turns a stored event of an older version into the next.
//! - [`Fake`]: a dispatcher that records, for tests.
//! - [`Golden`]: stored payloads in the tree, for a test that holds the program to them.
//! - [`TraceContext`]: carries traces to queued listeners. Spans need nothing: any subscriber of `tracing` sees them.
//! - [`Catalog`]: what the program knows about its own events.
//!
//! **A crate of listeners that no code names is not linked, and its listeners are lost.** Name it (`use that_crate as
//! _;`, or [`link_all!`]), and let [`EventsBuilder::expect_listeners_from`] check it.

// Generated code names the crate from outside; so do its own tests and doc examples.
extern crate self as events_core;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod builder;
mod catalog;
mod clock;
mod commit;
mod context;
mod current;
mod delivery;
mod dispatch;
mod durable;
mod erased;
mod event;
mod events;
mod extensions;
mod fake;
mod fault;
mod future;
mod golden;
mod listener;
mod pattern;
mod queue;
mod registry;
mod runtime;
mod scope;
mod state;
mod sync;
mod table;
mod telemetry;
mod wiring;

pub use builder::{EventsBuilder, Incident};
pub use catalog::{
    Catalog, EventEntry, HeardBy, Hearing, HearsEntry, ListenerEntry, LockDifference, LockError,
    QueueEntry, UniqueEntry, UniqueKey, UpcasterEntry,
};
pub use clock::{Clock, ManualClock, SystemClock};
pub use commit::{AfterCommit, Savepoint};
pub use context::Context;
pub use current::{AlreadySet, Scope};
pub use delivery::{Attempt, Delivery};
pub use dispatch::{
    DispatchError, Dispatched, ErrorPolicy, Failure, FailureCause, ListenerInfo, NotRun, Refusal,
};
pub use durable::{DecodeError, EncodeError, Model, ModelHandle, UpcasterHandle};
pub use erased::Dispatch;
pub use event::{AnyEvent, Category, Event, Extends};
pub use events::Events;
pub use extensions::Extensions;
pub use fake::Fake;
pub use fault::{BuildError, Fault, FaultKind};
pub use future::BoxFuture;
pub use golden::{Golden, GoldenError};
pub use listener::{
    Arguments, Backoff, Durable, FromContext, Heard, IntoListener, IntoOutcome, Kind, Needs,
    OnMissing, QueueOptions, Source, Subscriber,
};
pub use queue::{
    Capability, Claimable, Drained, InlineListeners, Job, JobFailure, MemoryQueue, NotAParkReason,
    ParkReason, Parked, Permanent, PushError, Queue, Verdict,
};
pub use registry::Handle;
pub use runtime::Subscription;
pub use scope::DeferError;
pub use state::State;
pub use telemetry::TraceContext;

#[cfg(feature = "derive")]
pub use events_macros::{Event, category, link_all, listener, listeners, model, upcaster};

/// Any error that a listener may return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
