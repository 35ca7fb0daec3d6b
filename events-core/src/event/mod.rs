//! What an event is: the trait, its erased form, and the static description that the derive writes.

mod category;
mod meta;

pub(crate) use category::Upcast;
pub use category::{
    Allowed, Category, CategoryMembership, CategoryMeta, Combine, Extends, MayQueue, Queueing,
};
pub use meta::{
    CloneFn, DebugFn, Decoding, DurableForm, EventMeta, Meta, Probe, Unclonable, Undebuggable,
    meta_of,
};

use std::any::Any;
use std::future::Future;

use crate::dispatch::{DispatchError, Dispatched};
use crate::durable::EncodeError;

/// A fact that has happened, which listeners may hear. Derive it.
///
/// ```standalone_crate
/// use events_core::Event;
///
/// #[derive(Clone, Debug, Event)]
/// pub struct OrderPaid {
///     pub order: u64,
/// }
///
/// OrderPaid { order: 7 }.dispatch_sync().unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "write `#[derive(Event)]` on the type"
)]
pub trait Event: Any + Send + Sync + Sized {
    /// What a listener may answer; `()` for an event that asks nothing.
    type Response: Send + 'static;

    /// Whether the event's categories let its listeners be queued.
    #[doc(hidden)]
    type Queueing: ?Sized + Queueing;

    /// The static description of this event type.
    #[doc(hidden)]
    fn meta() -> &'static Meta<Self>;

    /// Dispatches through the dispatcher that is current when this is first polled: see
    /// [`Events::current`](crate::Events::current).
    ///
    /// # Errors
    ///
    /// As [`Events::dispatch`](crate::Events::dispatch).
    fn dispatch(
        &self,
    ) -> impl Future<Output = Result<Dispatched<Self::Response>, DispatchError<Self::Response>>> + Send
    {
        async move {
            let current = crate::current::handle();
            current.dispatch(self).await
        }
    }

    /// Dispatches through the current dispatcher, without a runtime.
    ///
    /// # Errors
    ///
    /// As [`Events::dispatch_sync`](crate::Events::dispatch_sync).
    fn dispatch_sync(&self) -> Result<Dispatched<Self::Response>, DispatchError<Self::Response>> {
        crate::current::with(|current| current.dispatch_sync(self))
    }
}

/// Any event, its type erased: what listeners on several types, on a category or on a name pattern receive.
///
/// Implemented for every [`Event`]; it cannot be implemented by hand.
pub trait AnyEvent: Any + Send + Sync + sealed::Sealed {
    /// The event's stored name where it has one, else its type's name without the path.
    fn name(&self) -> &'static str {
        self.any_meta().display_name()
    }

    /// The event's payload in its wire form, as JSON.
    ///
    /// # Errors
    ///
    /// If the event is not durable, or a field refuses to be serialised.
    fn payload(&self) -> Result<String, EncodeError>;

    /// The version of the event's wire form; none for an event that is not durable.
    fn version(&self) -> Option<u32> {
        self.any_meta().durable.map(|form| form.version)
    }

    /// The static description of the event's type.
    #[doc(hidden)]
    fn any_meta(&self) -> &'static EventMeta;
}

mod sealed {
    pub trait Sealed {}
    impl<E: super::Event> Sealed for E {}
}

impl<E: Event> AnyEvent for E {
    fn any_meta(&self) -> &'static EventMeta {
        &E::meta().any
    }

    fn payload(&self) -> Result<String, EncodeError> {
        E::meta().any.encode(self)
    }
}

impl dyn AnyEvent {
    /// Whether the event is an `E`.
    #[must_use]
    pub fn is<E: Event>(&self) -> bool {
        (self as &dyn Any).is::<E>()
    }

    /// The event as an `E`, where it is one.
    #[must_use]
    pub fn downcast_ref<E: Event>(&self) -> Option<&E> {
        (self as &dyn Any).downcast_ref()
    }
}

impl std::fmt::Debug for dyn AnyEvent {
    /// By the event's own `Debug` where it has one, else its name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.any_meta().debug {
            Some(debug) => debug(self, f),
            None => f.write_str(self.any_meta().ident),
        }
    }
}
