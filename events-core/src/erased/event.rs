//! An event without its type, and the ways back.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::Holds;
use crate::context::Context;
use crate::event::{AnyEvent, Category, Event, EventMeta, Extends, Upcast, meta_of};
use crate::listener::{Heard, Hears};

// What is generic over the event or the listener is compiled anew for each, in the user's crate: it casts by `as`
// and builds in place, since in a dev build each call of a small generic function would be one more function.

/// The erased event of a dispatch, for a listener that hears `H`.
///
/// Only the calls beside this make one, for the listener that is running: `event` points to the event of `cx`, which
/// lives for `'a`, and `H` is what that listener hears.
pub struct ErasedEvent<'c, 'a, H: ?Sized> {
    pub(super) event: NonNull<()>,
    pub(super) cx: &'c Context<'a>,
    pub(super) heard: PhantomData<fn() -> &'a H>,
}

impl<E: Event> Heard for E {
    const HEARS: Hears = Hears::Types(Cow::Borrowed(&[meta_of::<E> as fn() -> &'static EventMeta]));
    const IS_EVENT: bool = true;

    #[inline]
    fn heard<'a>(event: ErasedEvent<'_, 'a, Self>) -> &'a Self {
        // SAFETY: the running listener hears `E`, so it stands in the table of `E` alone, and the event that was
        // erased is an `E` that lives for `'a`.
        unsafe { &*(event.event.as_ptr() as *const E) }
    }

    fn of_any(event: &dyn AnyEvent) -> Option<&Self> {
        event.downcast_ref()
    }
}

impl<'a> ErasedEvent<'_, 'a, dyn AnyEvent> {
    /// The event with its type erased the ordinary way.
    #[inline]
    pub(crate) fn any(self) -> &'a dyn AnyEvent {
        self.cx.event()
    }
}

impl<'a, C: ?Sized + Category> ErasedEvent<'_, 'a, C> {
    /// The event as a member of the category.
    ///
    /// # Panics
    ///
    /// If the table was merged without the membership, which is a fault of the kernel.
    #[must_use]
    pub fn category(self) -> &'a C {
        let upcast: &Upcast<C> = self
            .cx
            .upcast()
            .expect("a category's listener is merged only into tables of events that extend it");
        (upcast.cast())(self.cx.event())
            .expect("a membership stands in the description of its own event")
    }
}

/// The event as a member of the category, where it is one.
pub fn as_category<C: ?Sized + Category>(event: &dyn AnyEvent) -> Option<&C> {
    let category = C::category().type_id;
    let mut memberships = event.any_meta().categories.iter();
    let membership = memberships.find(|member| (member.category)().type_id == category)?;
    let upcast = (membership.upcast)();
    let upcast: &Upcast<C> = (*upcast).downcast_ref()?;
    (upcast.cast())(event)
}

/// The way from an `E` to its category `C`.
pub(crate) const fn upcast<E: Extends<C>, C: ?Sized + 'static>() -> Upcast<C> {
    Upcast::new(|event| Some(event.downcast_ref::<E>()?.upcast()))
}

/// Whether the condition of a listener of the context's event holds.
pub(crate) fn holds_for(holds: Holds, cx: &Context<'_>) -> bool {
    // SAFETY: the context's event is the one that the pointer is made from; the condition belongs to the listener
    // on which the context stands, which hears the event's type.
    unsafe { holds(NonNull::from(cx.event()).cast(), cx) }
}

/// Clones an event of type `E`.
pub(crate) fn clone_as<E: Event + Clone>(event: &dyn AnyEvent) -> Option<Box<dyn AnyEvent>> {
    match address_of(event, const { TypeId::of::<E>() }) {
        // SAFETY: the address of an `E` that is borrowed.
        Some(event) => Some(Box::new(unsafe { &*(event.as_ptr() as *const E) }.clone())),
        None => None,
    }
}

/// Prints an event of type `E`.
pub(crate) fn debug_as<E: Event + fmt::Debug>(
    event: &dyn AnyEvent,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match address_of(event, const { TypeId::of::<E>() }) {
        // SAFETY: the address of an `E` that is borrowed.
        Some(event) => unsafe { &*(event.as_ptr() as *const E) }.fmt(f),
        None => f.write_str("?"),
    }
}

/// The address of an event, if it is of this type.
fn address_of(event: &dyn AnyEvent, id: TypeId) -> Option<NonNull<()>> {
    (event.type_id() == id).then(|| NonNull::from(event).cast())
}

#[cfg(all(test, feature = "derive"))]
mod tests {
    use super::as_category;
    use crate::{AnyEvent, Event, category};

    #[category]
    trait Audited: AnyEvent {
        fn subject(&self) -> u64;
    }

    #[derive(Clone, Debug, Event)]
    #[event(extends(Audited))]
    struct OrderPaid(u64);

    impl Audited for OrderPaid {
        fn subject(&self) -> u64 {
            self.0
        }
    }

    #[derive(Event)]
    struct OrderShipped;

    #[test]
    fn an_event_is_found_in_its_own_categories_only() {
        let subject =
            |event: &dyn AnyEvent| as_category::<dyn Audited>(event).map(Audited::subject);
        assert_eq!(subject(&OrderPaid(7)), Some(7));
        assert_eq!(subject(&OrderShipped), None);
    }

    #[test]
    fn a_description_clones_and_prints_its_own_type_only() {
        let meta = (&OrderPaid(7) as &dyn AnyEvent).any_meta();
        let clone = meta.clone.expect("the event is `Clone`");
        assert_eq!(format!("{:?}", clone(&OrderPaid(7))), "Some(OrderPaid(7))");
        assert!(clone(&OrderShipped).is_none());
    }
}
