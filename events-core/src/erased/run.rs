//! The one loop over the calls of a table, for dispatches with and without a runtime.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{self, Poll};

use super::outcome::{Note, Outcome};
use super::slice::{Hot, HotSlice};
use super::spans::{drop_in_span, resume_in_span};
use super::store::FutureStore;
use crate::context::Context;
use crate::dispatch::Report;
use crate::event::AnyEvent;
use crate::events::Events;
use crate::future::message_of;
use crate::table::SyncTable;

/// Where a dispatch stands: the running call, and what an async one needs besides.
pub(crate) struct Place {
    at: Cell<*const Hot>,
    room: Cell<*const Room>,
}

/// What an async call needs: the task it is polled by, and a store for its future.
pub(super) struct Room {
    task: Cell<*mut ()>,
    store: FutureStore,
}

impl Place {
    /// Before the first call.
    #[inline]
    pub(crate) fn at(first: *const Hot) -> Self {
        Self {
            at: Cell::new(first),
            room: Cell::new(ptr::null()),
        }
    }

    /// The index of the call on which it stands.
    pub(crate) fn index(&self, calls: &HotSlice) -> usize {
        calls.index_of(self.at.get())
    }

    #[inline]
    pub(super) fn call(&self) -> *const Hot {
        self.at.get()
    }

    /// # Safety
    ///
    /// The place belongs to a [`Run`] that is being polled.
    #[inline]
    pub(super) unsafe fn store_and_task<'r>(&self) -> (&'r FutureStore, &'r mut task::Context<'r>) {
        // SAFETY: a poll sets room and task before it calls anything; nothing else uses the task while a call runs.
        let room = unsafe { &*self.room.get() };
        // SAFETY: as above.
        (&room.store, unsafe { &mut *room.task.get().cast() })
    }
}

/// What a run has gathered: nothing, while all goes well.
#[derive(Default)]
pub(crate) struct Sink(Cell<Option<Box<Report>>>);

impl Sink {
    /// Changes the report; one is made where there is none yet.
    #[cold]
    fn write(&self, change: impl FnOnce(&mut Report)) {
        let mut report = self.0.take().unwrap_or_default();
        change(&mut report);
        self.0.set(Some(report));
    }
}

/// How a drive ended.
enum Drive {
    Done,
    Pending,
}

/// Runs the calls of a table, none of which is async.
pub(crate) fn run_sync(
    events: &Events,
    event: &dyn AnyEvent,
    table: SyncTable<'_>,
) -> Option<Box<Report>> {
    run_sync_in(&Context::new(events, event, table.table()), table)
}

/// Runs the calls of a context's table, none of which is async.
#[inline]
pub(crate) fn run_sync_in(cx: &Context<'_>, table: SyncTable<'_>) -> Option<Box<Report>> {
    debug_assert!(ptr::eq(table.table(), cx.table()));
    let sink = Sink::default();
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drive(cx, &sink))) {
        finish_after_panic(cx, &sink, payload);
    }
    sink.0.into_inner()
}

/// Runs the calls behind the one that panicked, and behind others that panic.
#[cold]
#[inline(never)]
fn finish_after_panic(cx: &Context<'_>, sink: &Sink, mut payload: Box<dyn Any + Send>) {
    while go_on_after_panic(cx, sink, payload) {
        match catch_unwind(AssertUnwindSafe(|| drive(cx, sink))) {
            Ok(_) => return,
            Err(next) => payload = next,
        }
    }
}

/// Calls one after the other, from where the context stands.
fn drive(cx: &Context<'_>, sink: &Sink) -> Drive {
    let event = NonNull::from(cx.event()).cast();
    let place = cx.place();
    let mut at = place.at.get();
    loop {
        place.at.set(at);
        // SAFETY: `at` stands on a call of the context's table, which ends with a call that gives `END`; the table
        // is that of the event's type, and the context stands on the call.
        let outcome = unsafe { ((*at).call)(event, cx) };
        if outcome.is_fine() {
            mem::forget(outcome);
        } else if outcome.is_end() {
            mem::forget(outcome);
            return Drive::Done;
        } else {
            match settle(cx, sink, outcome) {
                Next::Call => {}
                Next::Done => return Drive::Done,
                Next::Wait => return Drive::Pending,
            }
        }
        // SAFETY: the call was not the closing one, which does not come here.
        at = unsafe { at.add(1) };
    }
}

enum Next {
    Call,
    Done,
    Wait,
}

/// Decides what an outcome other than "fine" means for the calls after it.
#[cold]
#[inline(never)]
fn settle(cx: &Context<'_>, sink: &Sink, outcome: Outcome) -> Next {
    if outcome.is_pending() {
        return Next::Wait;
    }
    let index = index(cx);
    match outcome.into_note() {
        None => Next::Call,
        Some(Note::Failed(error)) => {
            sink.write(|report| report.failed(cx, index, error));
            next_unless(cx.stops_at_failure())
        }
        Some(Note::Stop) => {
            sink.write(|report| report.stopped(cx, index));
            Next::Done
        }
        Some(Note::Answer(answer)) => {
            sink.write(|report| report.answered(cx, index, answer, cx.stops_at_answer()));
            next_unless(cx.stops_at_answer())
        }
    }
}

fn next_unless(stop: bool) -> Next {
    if stop { Next::Done } else { Next::Call }
}

fn index(cx: &Context<'_>) -> usize {
    cx.place().index(cx.table().calls())
}

/// Notes the panic and steps behind the listener that panicked; whether the others shall run.
#[cold]
fn go_on_after_panic(cx: &Context<'_>, sink: &Sink, payload: Box<dyn Any + Send>) -> bool {
    let index = index(cx);
    let message = message_of(payload);
    sink.write(|report| report.panicked(cx, index, message));
    cx.place().at.set(cx.table().calls().at(index + 1));
    !cx.stops_at_failure()
}

/// Runs the calls of a context's table as a future. It must not be polled again once it is ready.
///
/// Where it is dropped half-way, the listeners that did not run are told to the error hook.
pub(crate) struct Run<'a> {
    cx: Context<'a>,
    sink: Sink,
    stage: Cell<Stage>,
    room: Room,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    New,
    Started,
    Done,
}

// SAFETY: what is not `Send` in it is the pointers of `Place`, `FutureStore` and the cells. They lead to the run
// itself, to the table (`Sync`) and to a future that `AsyncListener::call` declares `Send`; the task's pointer is
// written anew by each poll. The event and the dispatcher are behind shared references to `Sync` types, and the
// report is `Send`. No reference to the cells leaves a poll.
unsafe impl Send for Run<'_> {}

impl<'a> Run<'a> {
    #[inline]
    pub(crate) fn new(cx: Context<'a>) -> Self {
        Self {
            cx,
            sink: Sink::default(),
            stage: Cell::new(Stage::New),
            room: Room {
                task: Cell::new(ptr::null_mut()),
                store: FutureStore::new(),
            },
            _pinned: PhantomPinned,
        }
    }

    /// Resumes the future that is waiting, then goes on with the calls after it.
    fn drive(&self, task: &mut task::Context<'_>) -> Drive {
        if self.room.store.is_occupied() {
            // SAFETY: the store is pinned with the run.
            let outcome = resume_in_span(&self.cx, || unsafe { self.room.store.resume(task) });
            if outcome.is_fine() {
                mem::forget(outcome);
            } else {
                match settle(&self.cx, &self.sink, outcome) {
                    Next::Call => {}
                    Next::Done => return Drive::Done,
                    Next::Wait => return Drive::Pending,
                }
            }
            let place = self.cx.place();
            // SAFETY: the context stands on the call whose future has just ended, not on the closing one.
            place.at.set(unsafe { place.at.get().add(1) });
        }
        self.room.task.set(ptr::from_mut(task).cast());
        drive(&self.cx, &self.sink)
    }

    fn clear_store(&self) {
        drop_in_span(&self.cx, || self.room.store.clear());
    }

    /// Drops what is left of a listener that panicked.
    #[cold]
    fn clear_after_panic(&self) {
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| self.clear_store())) {
            mem::forget(second);
        }
    }
}

impl Future for Run<'_> {
    type Output = Option<Box<Report>>;

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the run is pinned.
        unsafe { self.into_ref().get_ref().poll_pinned(task) }
    }
}

impl<'a> Run<'a> {
    /// Builds a run where it is to stay, without moving one there.
    ///
    /// # Safety
    ///
    /// `at` is valid for writes.
    #[inline]
    pub(super) unsafe fn build(at: *mut Self, cx: Context<'a>) {
        // SAFETY: by the caller; every field but the store's room for a future is written.
        unsafe {
            (&raw mut (*at).cx).write(cx);
            (&raw mut (*at).sink).write(Sink::default());
            (&raw mut (*at).stage).write(Cell::new(Stage::New));
            (&raw mut (*at).room.task).write(Cell::new(ptr::null_mut()));
            FutureStore::build(&raw mut (*at).room.store);
        }
    }

    /// Polls the run, by shared access only: the future in its store may borrow from itself, and the store is a
    /// cell. Once this is ready the run holds nothing that would have to be dropped.
    ///
    /// # Safety
    ///
    /// The run is pinned.
    pub(super) unsafe fn poll_pinned(
        &self,
        task: &mut task::Context<'_>,
    ) -> Poll<Option<Box<Report>>> {
        self.stage.set(Stage::Started);
        self.cx.place().room.set(&raw const self.room);
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.drive(task))) {
                Ok(Drive::Pending) => return Poll::Pending,
                Ok(Drive::Done) => break,
                Err(payload) => {
                    self.clear_after_panic();
                    if !go_on_after_panic(&self.cx, &self.sink, payload) {
                        break;
                    }
                }
            }
        }
        self.stage.set(Stage::Done);
        self.room.store.free();
        Poll::Ready(self.sink.0.take())
    }
}

impl Drop for Run<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.stage.get() == Stage::Started {
            self.dropped_half_way();
        }
    }
}

impl Run<'_> {
    #[cold]
    fn dropped_half_way(&self) {
        let index = index(&self.cx);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.clear_store())) {
            let message = message_of(payload);
            self.sink
                .write(|report| report.panicked(&self.cx, index, message));
        }
        Report::cancelled(self.sink.0.take(), &self.cx, index);
    }
}
