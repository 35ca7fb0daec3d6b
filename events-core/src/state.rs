//! The application's state, which listeners ask for as `&State<T>`.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::ops::Deref;

/// A value that the application gave to the dispatcher: a listener asks for it as `&State<T>` and uses it as a `T`.
///
/// ```standalone_crate
/// use events_core::{listener, Event, Events, State};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Debug, Event)]
/// struct OrderPaid;
///
/// #[listener(OrderPaid)]
/// fn count(_: &OrderPaid, paid: &State<AtomicU64>) {
///     paid.fetch_add(1, Ordering::Relaxed);
/// }
///
/// let events = Events::builder().state(AtomicU64::new(0)).build().unwrap();
/// events.dispatch_sync(&OrderPaid).unwrap();
/// assert_eq!(events.state::<AtomicU64>().unwrap().load(Ordering::Relaxed), 1);
/// ```
#[derive(Debug)]
#[repr(transparent)]
pub struct State<T: ?Sized>(T);

impl<T> State<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T: ?Sized> Deref for State<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// All states of one dispatcher, by type.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl States {
    /// Keeps `value`; the one of the same type that it replaces is dropped.
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        self.0
            .insert(TypeId::of::<T>(), Box::new(State::new(value)));
    }

    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<&State<T>> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The `State<T>` of the `T` with this id.
    pub(crate) fn erased(&self, id: TypeId) -> Option<&(dyn Any + Send + Sync)> {
        self.0.get(&id).map(|state| &**state)
    }
}
