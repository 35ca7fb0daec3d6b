//! Blocks in which a dispatcher behaves otherwise: without events, deferred, or with a transaction open. They
//! follow the task across awaits, not into tasks that it spawns.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::commit::Waiting;
use crate::delivery::Delivery;
use crate::dispatch::{DispatchError, Refusal};
use crate::event::AnyEvent;
use crate::events::Events;
use crate::sync::lock;
use crate::table::Entry;

thread_local! {
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

/// One open block of one dispatcher.
#[derive(Clone)]
pub(crate) struct Frame {
    of: Events,
    kind: FrameKind,
}

#[derive(Clone)]
pub(crate) enum FrameKind {
    /// Nothing is dispatched.
    Muted,
    /// Whole dispatches are put off.
    Deferred(Arc<Mutex<Vec<Deferred>>>),
    /// A transaction is open: what waits for the commit gathers here.
    Transaction(Arc<Mutex<Vec<Waiting>>>),
}

/// A dispatch that was put off.
pub(crate) struct Deferred {
    by: Events,
    event: Box<dyn AnyEvent>,
}

/// What the open blocks make of a dispatch.
pub(crate) enum Intercepted {
    No,
    Muted,
    Deferred,
    Refused(Refusal),
}

/// Asks the blocks of this dispatcher, the innermost first.
pub(crate) fn intercept(events: &Events, event: &dyn AnyEvent) -> Intercepted {
    if !events.inner().has_scopes() {
        return Intercepted::No;
    }
    let kind = innermost(events, |kind| !matches!(kind, FrameKind::Transaction(_)));
    match kind {
        Some(FrameKind::Muted) => Intercepted::Muted,
        Some(FrameKind::Deferred(held)) => match cloned(event) {
            Some(event) => {
                lock(&held).push(Deferred {
                    by: events.clone(),
                    event,
                });
                Intercepted::Deferred
            }
            None => Intercepted::Refused(Refusal::NotClone("the end of the `defer` block")),
        },
        _ => Intercepted::No,
    }
}

/// Asks whether a block of this dispatcher silences it. A `defer` block puts nothing off that is written with the rows
/// of a transaction: after the commit it would be too late.
pub(crate) fn intercept_jobs(events: &Events) -> Intercepted {
    let muted = events.inner().has_scopes()
        && innermost(events, |kind| matches!(kind, FrameKind::Muted)).is_some();
    if muted {
        Intercepted::Muted
    } else {
        Intercepted::No
    }
}

/// Whether the task has a transaction of this dispatcher open.
pub(crate) fn transaction_is_open(events: &Events) -> bool {
    events.inner().has_scopes() && transaction(events).is_some()
}

/// Keeps listeners of the event until the commit of the task's transaction.
pub(crate) fn wait_for_commit(
    events: &Events,
    event: &dyn AnyEvent,
    listeners: Vec<Entry>,
    delivery: Delivery,
) -> Result<(), Refusal> {
    if let Some(waiting) = transaction(events) {
        let new = Waiting::new(events, event, listeners, delivery)?;
        lock(&waiting).push(new);
    }
    Ok(())
}

pub(crate) fn cloned(event: &dyn AnyEvent) -> Option<Box<dyn AnyEvent>> {
    event.any_meta().clone.and_then(|clone| clone(event))
}

fn transaction(events: &Events) -> Option<Arc<Mutex<Vec<Waiting>>>> {
    let kind = innermost(events, |kind| matches!(kind, FrameKind::Transaction(_)));
    match kind {
        Some(FrameKind::Transaction(waiting)) => Some(waiting),
        _ => None,
    }
}

fn innermost(events: &Events, wanted: impl Fn(&FrameKind) -> bool) -> Option<FrameKind> {
    FRAMES.with_borrow(|frames| {
        frames
            .iter()
            .rev()
            .find(|frame| frame.of.is_same(events) && wanted(&frame.kind))
            .map(|frame| frame.kind.clone())
    })
}

/// A frame on this thread's stack until it is dropped.
struct Entered;

impl Entered {
    fn new(frame: &Frame) -> Self {
        FRAMES.with_borrow_mut(|frames| frames.push(frame.clone()));
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The frame's events may be the last handle of their dispatcher: drop it outside the borrow.
        let frame = FRAMES.with_borrow_mut(Vec::pop);
        drop(frame);
    }
}

/// An open block: while it lives, the dispatcher looks for blocks at each dispatch.
struct Open(Frame);

impl Open {
    fn new(events: &Events, kind: FrameKind) -> Self {
        events.inner().scope_opened();
        Self(Frame {
            of: events.clone(),
            kind,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.of.inner().scope_closed();
    }
}

/// Runs a future in a block.
pub(crate) fn within<F: Future>(events: &Events, kind: FrameKind, block: F) -> Within<F> {
    Within {
        open: Open::new(events, kind),
        block: Box::pin(block),
    }
}

/// Runs a function in a block.
pub(crate) fn within_sync<T>(events: &Events, kind: FrameKind, block: impl FnOnce() -> T) -> T {
    let open = Open::new(events, kind);
    let _entered = Entered::new(&open.0);
    block()
}

pub(crate) struct Within<F> {
    open: Open,
    block: Pin<Box<F>>,
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = Entered::new(&this.open.0);
        this.block.as_mut().poll(task)
    }
}

/// Why a `defer` did not go well.
#[derive(Debug, thiserror::Error)]
pub enum DeferError<T, E> {
    /// The block failed: what it dispatched is dropped.
    #[error("the block failed, so what it dispatched was dropped")]
    Block(#[source] E),
    /// The block gave its value, but dispatches after it failed.
    #[error("{} of the dispatches after the block failed: {}", .failures.len(), first(.failures))]
    Dispatch {
        /// What the block gave.
        value: T,
        /// The dispatches that failed, in their order. Answers are not kept.
        failures: Vec<DispatchError>,
    },
}

fn first(failures: &[DispatchError]) -> String {
    failures
        .first()
        .map(ToString::to_string)
        .unwrap_or_default()
}

pub(crate) async fn defer<T, E>(
    events: &Events,
    block: impl Future<Output = Result<T, E>>,
) -> Result<T, DeferError<T, E>> {
    let held = Arc::new(Mutex::new(Vec::new()));
    let value = within(events, FrameKind::Deferred(held.clone()), block)
        .await
        .map_err(DeferError::Block)?;
    let held = std::mem::take(&mut *lock(&held));
    if let Some(held) = hand_to_outer(events, held) {
        let mut failures = Vec::new();
        for Deferred { by, event } in held {
            failures.extend(by.dispatch_any(&*event).await.err());
        }
        return ended(value, failures);
    }
    Ok(value)
}

pub(crate) fn defer_sync<T, E>(
    events: &Events,
    block: impl FnOnce() -> Result<T, E>,
) -> Result<T, DeferError<T, E>> {
    let held = Arc::new(Mutex::new(Vec::new()));
    let value =
        within_sync(events, FrameKind::Deferred(held.clone()), block).map_err(DeferError::Block)?;
    let held = std::mem::take(&mut *lock(&held));
    if let Some(held) = hand_to_outer(events, held) {
        let failures = held
            .into_iter()
            .filter_map(|Deferred { by, event }| by.dispatch_any_sync(&*event).err())
            .collect();
        return ended(value, failures);
    }
    Ok(value)
}

fn ended<T, E>(value: T, failures: Vec<DispatchError>) -> Result<T, DeferError<T, E>> {
    if failures.is_empty() {
        Ok(value)
    } else {
        Err(DeferError::Dispatch { value, failures })
    }
}

/// Gives what a block held to the block around it; gives it back where there is none.
fn hand_to_outer(events: &Events, held: Vec<Deferred>) -> Option<Vec<Deferred>> {
    match innermost(events, |kind| matches!(kind, FrameKind::Deferred(_))) {
        Some(FrameKind::Deferred(outer)) => {
            lock(&outer).extend(held);
            None
        }
        _ => Some(held),
    }
}
