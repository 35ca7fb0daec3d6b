//! The calls themselves: each gives the erased event back its listener's type and runs the user's function.

use std::any::Any;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::event::ErasedEvent;
use super::outcome::{Note, Outcome};
use super::store;
use crate::BoxError;
use crate::context::Context;
use crate::listener::{
    Arg, Arguments, AsyncListener, Condition, Heard, Instance, IntoOutcome, SyncListener,
};
use crate::state::State;

/// Runs one listener.
///
/// # Safety
///
/// The pointer leads to the event of the context, whose type the listener hears, and the context stands on this
/// call's own entry of the table.
pub(crate) type Call = unsafe fn(NonNull<()>, &Context<'_>) -> Outcome;

/// Decides whether a listener shall run.
///
/// # Safety
///
/// As for [`Call`].
pub(crate) type Holds = unsafe fn(NonNull<()>, &Context<'_>) -> bool;

/// # Safety
///
/// As for [`Call`].
pub(crate) unsafe fn call_sync<L: SyncListener>(event: NonNull<()>, cx: &Context<'_>) -> Outcome {
    let args = match Arguments::extract(cx, OnEntry(())) {
        Ok(args) => args,
        Err(error) => return refused(error),
    };
    let heard = PhantomData;
    L::call(Heard::heard(ErasedEvent { event, cx, heard }), args).into_outcome()
}

/// # Safety
///
/// As for [`Call`], and the context belongs to a dispatch with a store.
pub(crate) unsafe fn call_async<L: AsyncListener>(event: NonNull<()>, cx: &Context<'_>) -> Outcome {
    let args = match Arguments::extract(cx, OnEntry(())) {
        Ok(args) => args,
        Err(error) => return refused(error),
    };
    let heard = PhantomData;
    let event = Heard::heard(ErasedEvent { event, cx, heard });
    // SAFETY: by the caller the context has a store, which is free while a call starts. The future borrows the
    // event and what the arguments borrow, all of which outlive the dispatch; it does not borrow the context.
    unsafe { store::start::<L>(cx, event, args) }
}

/// # Safety
///
/// As for [`Holds`].
pub(crate) unsafe fn holds<C: Condition>(event: NonNull<()>, cx: &Context<'_>) -> bool {
    let heard = PhantomData;
    C::holds(Heard::heard(ErasedEvent { event, cx, heard }))
}

/// Closes a slice.
///
/// # Safety
///
/// None needed; the type is that of a [`Call`].
pub(super) unsafe fn end(_: NonNull<()>, _: &Context<'_>) -> Outcome {
    Outcome::END
}

/// Says that the context stands on the entry of the listener whose arguments are made, so that what they need was
/// looked up for them. Only the calls above make one.
pub struct OnEntry(());

#[cold]
fn refused(error: BoxError) -> Outcome {
    Outcome::note(Note::Failed(error))
}

/// The state that the argument was resolved to.
#[inline]
pub(crate) fn resolved_state<'a, T: Any + Send + Sync>(
    cx: &Context<'a>,
    position: &Arg<&'a State<T>>,
) -> &'a State<T> {
    // SAFETY: a state is resolved for every `&State<T>` before a table may run (`table` refuses otherwise), by the
    // need that this very argument type named, at this position.
    unsafe { resolved(cx, position.position).cast().as_ref() }
}

/// The subscriber or closure that the argument was resolved to.
#[inline]
pub(crate) fn resolved_instance<'a, T: Any + Send + Sync>(
    cx: &Context<'a>,
    position: &Arg<&'a Instance<T>>,
) -> &'a Instance<T> {
    // SAFETY: as for a state.
    unsafe { resolved(cx, position.position).cast().as_ref() }
}

/// # Safety
///
/// The running listener has an argument at this position that was resolved.
#[inline]
unsafe fn resolved(cx: &Context<'_>, position: usize) -> NonNull<()> {
    // SAFETY: while a call runs, the context stands on its entry; by the caller the position is one of its
    // arguments and was resolved.
    unsafe {
        let first = (*cx.place().call()).resolved;
        first.add(position).as_ref().0.unwrap_unchecked()
    }
}
