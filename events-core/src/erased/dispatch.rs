//! The future of a dispatch: it decides at its first poll which way to take, and builds the run in place, so that
//! what it returns is small until then and nothing large is ever moved.

use std::future::Future;
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use super::run::Run;
use crate::context::Context;
use crate::dispatch::{DispatchError, Dispatched, Report, dispatch_ordered};
use crate::event::Event;
use crate::events::{Events, Way};
use crate::future::BoxFuture;

/// A dispatch of an `E`: see [`Events::dispatch`]. It must not be polled again once it is ready.
#[must_use = "a dispatch does nothing until it is awaited"]
pub struct Dispatch<'a, E: Event> {
    events: &'a Events,
    event: &'a E,
    until_answer: bool,
    stage: Stage,
    ordered: Option<BoxFuture<'a, Option<Box<Report>>>>,
    /// Initialised while `stage` is `Running`.
    run: MaybeUninit<Run<'a>>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    New,
    Running,
    Ordered,
    Done,
}

impl<'a, E: Event> Dispatch<'a, E> {
    #[inline]
    pub(crate) fn new(events: &'a Events, event: &'a E, until_answer: bool) -> Self {
        Self {
            events,
            event,
            until_answer,
            stage: Stage::New,
            ordered: None,
            run: MaybeUninit::uninit(),
            _pinned: PhantomPinned,
        }
    }
}

impl<E: Event> Future for Dispatch<'_, E> {
    type Output = Result<Dispatched<E::Response>, DispatchError<E::Response>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of `this`; `run` stays where it is until it is dropped.
        let this = unsafe { self.get_unchecked_mut() };
        if this.stage == Stage::New {
            let way = if this.until_answer {
                Way::Ordered
            } else {
                this.events.inner().way(&E::meta().any)
            };
            match way {
                Way::Empty => {
                    this.stage = Stage::Done;
                    return Poll::Ready(Ok(Dispatched::quiet()));
                }
                Way::Plain(table) => {
                    let cx = Context::new(this.events, this.event, table);
                    // SAFETY: `run` is room for a run, and holds none.
                    unsafe { Run::build(this.run.as_mut_ptr(), cx) };
                    this.stage = Stage::Running;
                }
                Way::Ordered => {
                    this.ordered =
                        Some(dispatch_ordered(this.events, this.event, this.until_answer));
                    this.stage = Stage::Ordered;
                }
            }
        }
        let report = if this.stage == Stage::Running {
            // SAFETY: in this stage `run` is initialised; it is pinned with `this`.
            let run = unsafe { &*this.run.as_ptr() };
            // SAFETY: as above.
            match unsafe { run.poll_pinned(task) } {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(report) => report,
            }
        } else {
            match this.poll_ordered(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(report) => report,
            }
        };
        // A run that is ready holds nothing any more: it needs no drop.
        this.stage = Stage::Done;
        Poll::Ready(Report::into_result::<E>(report))
    }
}

impl<E: Event> Dispatch<'_, E> {
    #[cold]
    fn poll_ordered(&mut self, task: &mut Task<'_>) -> Poll<Option<Box<Report>>> {
        match &mut self.ordered {
            Some(ordered) => ordered.as_mut().poll(task),
            // Ready already: there is no more to come.
            None => Poll::Pending,
        }
    }
}

impl<E: Event> Drop for Dispatch<'_, E> {
    #[inline]
    fn drop(&mut self) {
        if self.stage == Stage::Running {
            // SAFETY: in this stage `run` is initialised, and it is dropped nowhere else.
            unsafe { self.run.assume_init_drop() };
        }
    }
}
