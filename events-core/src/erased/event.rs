//! An event without its type, and the ways back.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::Holds;
use crate::context::Context;
use crate::event::{AnyEvent, Category, Event, Extends, Upcast};

/// The erased event of a dispatch, for a listener that hears `H`. Only a call of such a listener makes one.
pub struct ErasedEvent<'c, 'a, H: ?Sized> {
    event: NonNull<()>,
    cx: &'c Context<'a>,
    heard: PhantomData<fn() -> &'a H>,
}

impl<'c, 'a, H: ?Sized> ErasedEvent<'c, 'a, H> {
    /// # Safety
    ///
    /// `event` points to the event of `cx`, which lives for `'a`, and `H` is what the running listener hears.
    #[inline]
    pub(super) unsafe fn new(event: NonNull<()>, cx: &'c Context<'a>) -> Self {
        Self {
            event,
            cx,
            heard: PhantomData,
        }
    }
}

impl<'a, E: Event> ErasedEvent<'_, 'a, E> {
    /// The event as its own type.
    #[inline]
    pub(crate) fn concrete(self) -> &'a E {
        debug_assert!(self.cx.event().is::<E>());
        // SAFETY: by `new`, the running listener hears `E`, so it stands in the table of `E` alone, and the event
        // that was erased is an `E` that lives for `'a`.
        unsafe { self.event.cast().as_ref() }
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
        // SAFETY: the upcast is the one of this event's type, from its own membership in `C`; the event lives
        // for `'a`.
        unsafe { (upcast.cast())(self.event).as_ref() }
    }
}

/// The way from an erased `E` to its category `C`.
pub(crate) const fn upcast<E: Extends<C>, C: ?Sized + 'static>() -> Upcast<C> {
    /// # Safety
    ///
    /// `event` points to an `E` that outlives what is returned.
    unsafe fn cast<E: Extends<C>, C: ?Sized + 'static>(event: NonNull<()>) -> NonNull<C> {
        // SAFETY: by the caller.
        let event: &E = unsafe { event.cast().as_ref() };
        NonNull::from(event.upcast())
    }
    Upcast::new(cast::<E, C>)
}

/// Whether the condition of a listener of the context's event holds.
pub(crate) fn holds_for(holds: Holds, cx: &Context<'_>) -> bool {
    // SAFETY: the context's event is the one that the pointer is made from; the condition belongs to the listener
    // on which the context stands, which hears the event's type.
    unsafe { holds(NonNull::from(cx.event()).cast(), cx) }
}
