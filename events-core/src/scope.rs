//! Blocks in which a dispatcher behaves otherwise: without events, deferred, or with a transaction open. They
//! follow the task across awaits, not into tasks that it spawns.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::commit::Waiting;
use crate::dispatch::{DispatchError, NotRun, Refusal};
use crate::event::AnyEvent;
use crate::events::Events;
use crate::future::caught;
use crate::sync::lock;

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

/// Asks the blocks of this dispatcher: one that silences it silences all within; else the innermost decides.
pub(crate) fn intercept(events: &Events, event: &dyn AnyEvent) -> Intercepted {
    if !events.inner().has_scopes() {
        return Intercepted::No;
    }
    if is_muted(events) {
        return Intercepted::Muted;
    }
    match innermost(events, |_| true) {
        Some(FrameKind::Deferred(held)) => match cloned(event, "the end of the `defer` block") {
            Ok(event) => {
                lock(&held).push(Deferred {
                    by: events.clone(),
                    event,
                });
                Intercepted::Deferred
            }
            Err(refusal) => Intercepted::Refused(refusal),
        },
        // A transaction inside a `defer` block goes by its own rules: what waits for it vanishes with it.
        _ => Intercepted::No,
    }
}

/// Asks whether a block of this dispatcher silences it. A `defer` block puts nothing off that is written with the rows
/// of a transaction: after the commit it would be too late.
pub(crate) fn intercept_jobs(events: &Events) -> Intercepted {
    if events.inner().has_scopes() && is_muted(events) {
        Intercepted::Muted
    } else {
        Intercepted::No
    }
}

/// Whether the task has a transaction of this dispatcher open.
pub(crate) fn transaction_is_open(events: &Events) -> bool {
    events.inner().has_scopes() && transaction(events).is_some()
}

/// Keeps what waits for the commit of the task's transaction.
pub(crate) fn wait_for_commit(events: &Events, new: Waiting) {
    if let Some(waiting) = transaction(events) {
        lock(&waiting).push(new);
    }
}

/// The event, to be kept until then.
pub(crate) fn cloned(
    event: &dyn AnyEvent,
    until: &'static str,
) -> Result<Box<dyn AnyEvent>, Refusal> {
    let clone = event.any_meta().clone.ok_or(Refusal::NotClone(until))?;
    caught(|| clone(event))
        .map_err(Refusal::ClonePanicked)?
        .ok_or(Refusal::NotClone(until))
}

fn is_muted(events: &Events) -> bool {
    innermost(events, |kind| matches!(kind, FrameKind::Muted)).is_some()
}

fn transaction(events: &Events) -> Option<Arc<Mutex<Vec<Waiting>>>> {
    let kind = innermost(events, |kind| matches!(kind, FrameKind::Transaction(_)));
    match kind {
        Some(FrameKind::Transaction(waiting)) => Some(waiting),
        _ => None,
    }
}

fn innermost(events: &Events, wanted: impl Fn(&FrameKind) -> bool) -> Option<FrameKind> {
    let find = |frames: &RefCell<Vec<Frame>>| {
        let frames = frames.borrow();
        let mut inwards = frames.iter().rev();
        let frame = inwards.find(|frame| frame.of.is_same(events) && wanted(&frame.kind))?;
        Some(frame.kind.clone())
    };
    FRAMES.try_with(find).ok().flatten()
}

/// A frame on this thread's stack until it is dropped.
struct Entered;

impl Entered {
    fn new(frame: &Frame) -> Self {
        // A block may be dropped while its thread ends, when there is no stack any more.
        let _ = FRAMES.try_with(|frames| frames.borrow_mut().push(frame.clone()));
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The frame's events may be the last handle of their dispatcher: drop it outside the borrow.
        let frame = FRAMES.try_with(|frames| frames.borrow_mut().pop());
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
        block: Some(Box::pin(block)),
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
    block: Option<Pin<Box<F>>>,
}

impl<F> Drop for Within<F> {
    fn drop(&mut self) {
        // What the block's destructors dispatch belongs to it too.
        let _entered = Entered::new(&self.open.0);
        self.block = None;
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = Entered::new(&this.open.0);
        match &mut this.block {
            Some(block) => block.as_mut().poll(task),
            None => Poll::Pending,
        }
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
        let mut rest = Rest {
            events,
            held: held.into(),
            refused: Vec::new(),
            failures: Vec::new(),
        };
        while let Some(next) = rest.held.pop_front() {
            if let Err(error) = next.by.dispatch_any(&*next.event).await {
                if error.refusal().is_some() {
                    rest.refused.push(next);
                }
                rest.failures.push(error);
            }
        }
        rest.refused.clear();
        return ended(value, std::mem::take(&mut rest.failures));
    }
    Ok(value)
}

/// The dispatches after a block, and the failures of those that ended: if whoever waits for them goes away, the error
/// hook is told instead.
struct Rest<'e> {
    events: &'e Events,
    held: VecDeque<Deferred>,
    refused: Vec<Deferred>,
    failures: Vec<DispatchError>,
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        // The one that was running tells of itself.
        for Deferred { by, event } in self.refused.iter().chain(&self.held) {
            let table = by.inner().merged(event.any_meta());
            by.tell_not_run(&NotRun::of_table(&**event, &table));
        }
        for error in &self.failures {
            self.events.tell_failures(error.failures());
        }
    }
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
    match innermost(events, |_| true) {
        Some(FrameKind::Deferred(outer)) => {
            lock(&outer).extend(held);
            None
        }
        _ => Some(held),
    }
}
