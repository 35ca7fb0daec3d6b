//! What a listener is: its static record, what it may ask for and what it may return.

mod arguments;
mod closure;
mod options;
mod record;
mod returns;

pub(crate) use arguments::Need;
pub use arguments::{Arg, Arguments, FromContext, Instance, Needs};
pub(crate) use closure::Closure;
pub use closure::IntoListener;
pub use options::{
    Backoff, FailedHook, HookAsk, HookRun, OnMissing, QueueOptions, Unique, ask_hook,
};
pub(crate) use record::GivenType;
pub use record::{Condition, Heard, Hears, Kind, ListenerRecord, Source, Subscriber};
pub use returns::IntoOutcome;

use std::future::Future;

use crate::event::{Event, MayQueue};

/// A listener whose function returns its outcome at once. Written by `#[listener]`.
pub trait SyncListener: 'static {
    /// What it hears: an event type, `dyn AnyEvent`, or a category's `dyn Trait`.
    type Event: ?Sized + Heard;
    /// What it asks for after the event, as a tuple.
    type Args<'a>: Arguments<'a>;
    /// What it returns.
    type Return: IntoOutcome<Self::Event>;

    /// Calls the user's function.
    fn call<'a>(event: &'a Self::Event, args: Self::Args<'a>) -> Self::Return;
}

/// A listener whose function is `async`. Written by `#[listener]`.
pub trait AsyncListener: 'static {
    /// What it hears: an event type, `dyn AnyEvent`, or a category's `dyn Trait`.
    type Event: ?Sized + Heard;
    /// What it asks for after the event, as a tuple.
    type Args<'a>: Arguments<'a>;
    /// What its future gives.
    type Return: IntoOutcome<Self::Event>;

    /// Calls the user's function.
    fn call<'a>(
        event: &'a Self::Event,
        args: Self::Args<'a>,
    ) -> impl Future<Output = Self::Return> + Send + 'a;
}

/// An event with a wire form, so that its listeners can be queued: written by `#[event(durable)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no wire form, so it cannot be queued",
    label = "not a durable event",
    note = "write `#[event(durable, name = \"..\")]` on the event and derive `Serialize` and `Deserialize` for its fields' types"
)]
pub trait Durable: Event {}

/// Refuses to compile unless listeners of `E` may be queued: `E` has a wire form.
pub const fn assert_durable<E: Durable>() {}

/// Refuses to compile unless every category of `E` lets listeners be queued.
pub const fn assert_may_queue<E: Event>()
where
    E::Queueing: MayQueue,
{
}

/// Refuses to compile unless `E` is an event.
pub const fn assert_event<E: Event>() {}

/// Refuses to compile unless a category lets listeners be queued.
pub const fn assert_category_may_queue<C: ?Sized + crate::event::Category>()
where
    C::Queueing: MayQueue,
{
}

/// Refuses to compile unless `E` can be kept until the commit.
pub const fn assert_clone<E: Event + Clone>() {}
