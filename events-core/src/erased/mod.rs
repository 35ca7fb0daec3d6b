//! The only unsafe code of the crate: events, listeners and their futures without their types.
//!
//! What is kept here, and what makes it sound:
//!
//! - A [`Call`] casts the erased event to the type of its own listener. The table of an event type holds only
//!   calls of listeners that hear it (`table` merges by the description that the type itself gives, a `Meta<E>`, which can describe no other type), so the cast
//!   gives back the type that was erased.
//! - A [`Hot`] points to the states that the listener's arguments were resolved to. The table's cold half lives as
//!   long as the hot one, the states as long as the dispatcher, and a dispatch borrows both.
//! - A listener's future is built in place, in a [`store::FutureStore`] that is pinned with the dispatch, and is
//!   dropped there.
//!
//! Nothing else of the crate may say `unsafe`. What belongs here needs it; what does not, belongs elsewhere.
#![allow(unsafe_code)]

mod calls;
mod dispatch;
mod event;
mod outcome;
mod run;
mod slice;
mod spans;
mod store;

pub(crate) use calls::{
    Call, Holds, OnEntry, call_async, call_sync, holds, resolved_instance, resolved_state,
};
pub use dispatch::Dispatch;
pub use event::{ErasedEvent, as_category};
pub(crate) use event::{clone_as, debug_as, holds_for, upcast};
pub use outcome::{Note, Outcome};
pub(crate) use run::{Place, Run, run_sync, run_sync_in};
pub(crate) use slice::{HotSlice, Resolved};
pub(crate) use spans::call_in_span;
