//! The current dispatcher: one for the program, another for the length of a scope.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use crate::events::Events;

static DEFAULT: OnceLock<Events> = OnceLock::new();

thread_local! {
    /// Whether `SCOPED` holds one: asked first, since it needs no registration of a destructor.
    static IS_SCOPED: Cell<bool> = const { Cell::new(false) };
    static SCOPED: RefCell<Option<Events>> = const { RefCell::new(None) };
}

/// The default dispatcher is already set.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the default dispatcher is set already: set it once, at the start of `main`; tests use a scope"
)]
pub struct AlreadySet;

/// The current dispatcher, for as long as it is needed.
pub(crate) enum Handle {
    Program(&'static Events),
    Scope(Events),
}

impl Deref for Handle {
    type Target = Events;

    fn deref(&self) -> &Events {
        match self {
            Self::Program(events) => events,
            Self::Scope(events) => events,
        }
    }
}

pub(crate) fn set_default(events: Events) -> Result<(), AlreadySet> {
    DEFAULT.set(events).map_err(|_| AlreadySet)
}

/// The current dispatcher.
#[inline]
pub(crate) fn handle() -> Handle {
    if IS_SCOPED.get()
        && let Some(events) = SCOPED.with_borrow(Clone::clone)
    {
        return Handle::Scope(events);
    }
    Handle::Program(program())
}

/// Calls `with` with the current dispatcher.
#[inline]
pub(crate) fn with<T>(with: impl FnOnce(&Events) -> T) -> T {
    with(&handle())
}

/// The program's default; before one is set, a dispatcher of all that is linked, without state.
#[inline]
fn program() -> &'static Events {
    match DEFAULT.get() {
        Some(events) => events,
        None => linked_only(),
    }
}

#[cold]
fn linked_only() -> &'static Events {
    static LINKED: OnceLock<Events> = OnceLock::new();
    LINKED.get_or_init(|| Events::builder().build_unchecked())
}

/// Makes a dispatcher current on this thread until it is dropped.
struct Entered(Option<Events>);

impl Entered {
    fn new(events: &Events) -> Self {
        // A scope may be dropped while its thread ends, when there is no place for it any more.
        let before = SCOPED.try_with(|scoped| scoped.replace(Some(events.clone())));
        IS_SCOPED.set(before.is_ok());
        Self(before.ok().flatten())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        IS_SCOPED.set(self.0.is_some());
        let left = SCOPED.try_with(|scoped| scoped.replace(self.0.take()));
        drop(left);
    }
}

pub(crate) fn scope_sync<T>(events: &Events, block: impl FnOnce() -> T) -> T {
    let _entered = Entered::new(events);
    block()
}

/// A future during whose polls a dispatcher is current: see [`Events::scope`].
#[must_use = "a scope does nothing until it is awaited"]
pub struct Scope<F> {
    events: Events,
    block: Option<Pin<Box<F>>>,
}

impl<F> Scope<F> {
    pub(crate) fn new(events: Events, block: F) -> Self {
        Self {
            events,
            block: Some(Box::pin(block)),
        }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = Entered::new(&this.events);
        match &mut this.block {
            Some(block) => block.as_mut().poll(task),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Scope<F> {
    fn drop(&mut self) {
        // What the block's destructors dispatch belongs to it too.
        let _entered = Entered::new(&self.events);
        self.block = None;
    }
}
