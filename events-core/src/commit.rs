//! What waits for a commit. The kernel keeps it; whoever owns the transaction drives it.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex};

use tracing::Span;

use crate::delivery::Delivery;
use crate::dispatch::{
    DispatchError, Dispatched, NotRun, Refusal, Report, dispatch_in_transaction, run_waiting,
};
use crate::event::{AnyEvent, Event};
use crate::events::Events;
use crate::extensions::Extensions;
use crate::queue::{Job, PushError};
use crate::scope::{self, FrameKind};
use crate::sync::lock;
use crate::table::Entry;

/// Listeners of one event that wait for the commit.
pub(crate) struct Waiting {
    pub(crate) by: Events,
    pub(crate) event: Box<dyn AnyEvent>,
    pub(crate) listeners: Vec<Entry>,
    pub(crate) delivery: Delivery,
    /// The dispatch's, to which they belong.
    pub(crate) span: Span,
}

impl Waiting {
    pub(crate) fn new(
        by: &Events,
        event: &dyn AnyEvent,
        listeners: Vec<Entry>,
        delivery: Delivery,
        span: &Span,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            by: by.clone(),
            event: scope::cloned(event, "the commit")?,
            listeners,
            delivery,
            span: span.clone(),
        })
    }
}

/// The listeners that wait for the commit of one transaction: those marked `after_commit`, and all of events
/// marked so, where a plain dispatch happens inside [`scope`](Self::scope).
///
/// A store opens one with its transaction, runs the user's block in it, and after the commit calls
/// [`committed`](Self::committed). Dropped without that, what waits is dropped: the transaction was rolled back.
///
/// ```standalone_crate
/// use events_core::{AfterCommit, Event, Events};
///
/// #[derive(Clone, Debug, Event)]
/// #[event(after_commit)]
/// struct OrderPaid;
///
/// # pollster::block_on(async {
/// let events = Events::builder().build().unwrap();
/// let transaction = AfterCommit::new(&events);
/// let dispatched = transaction.scope(events.dispatch(&OrderPaid)).await.unwrap();
/// transaction.committed().await;
/// # });
/// ```
pub struct AfterCommit {
    events: Events,
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

/// A place to which a rolled back savepoint returns.
#[derive(Clone, Copy, Debug)]
pub struct Savepoint(usize);

impl AfterCommit {
    /// For a transaction that has just begun.
    #[must_use]
    pub fn new(events: &Events) -> Self {
        Self {
            events: events.clone(),
            waiting: Arc::default(),
        }
    }

    /// Runs a part of the transaction.
    pub fn scope<F: Future>(&self, block: F) -> impl Future<Output = F::Output> + use<F> {
        scope::within(
            &self.events,
            FrameKind::Transaction(self.waiting.clone()),
            block,
        )
    }

    /// Dispatches into the transaction: `push` writes the jobs with its rows; listeners that ask for what
    /// `extensions` hold, as the transaction itself, run at once; all other inline listeners wait for the commit.
    ///
    /// # Errors
    ///
    /// As [`Events::dispatch`], for the listeners that ran, and for `push`.
    pub async fn dispatch<E: Event + Clone, P>(
        &self,
        event: &E,
        extensions: &Extensions,
        push: impl FnOnce(Vec<Job>) -> P,
    ) -> Result<Dispatched<E::Response>, DispatchError<E::Response>>
    where
        P: Future<Output = Result<(), PushError>>,
    {
        let report = dispatch_in_transaction(self, event, extensions, push).await;
        Report::into_result::<E>(report)
    }

    /// Whether the task has a transaction of this dispatcher open.
    #[must_use]
    pub fn is_open(events: &Events) -> bool {
        scope::transaction_is_open(events)
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn wait(&self, new: Waiting) {
        lock(&self.waiting).push(new);
    }

    /// Whether anything waits for the commit.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    /// Marks a savepoint.
    #[must_use]
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(lock(&self.waiting).len())
    }

    /// Drops what has come to wait since the savepoint.
    pub fn roll_back_to(&self, savepoint: Savepoint) {
        let dropped = {
            let mut waiting = lock(&self.waiting);
            let keep = savepoint.0.min(waiting.len());
            waiting.split_off(keep)
        };
        drop(dropped);
    }

    /// Runs what waits, after the commit. Failures go to the dispatcher's error hook, and so do the listeners that did
    /// not run because this was dropped half-way.
    pub async fn committed(self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        let mut rest = Rest(waiting.into());
        while let Some(next) = rest.0.pop_front() {
            run_waiting(next).await;
        }
    }
}

/// What waited for a commit and has not run yet.
struct Rest(VecDeque<Waiting>);

impl Drop for Rest {
    fn drop(&mut self) {
        for waiting in &self.0 {
            let not_run = NotRun::of(&*waiting.event, &waiting.listeners);
            waiting.by.tell_not_run(&not_run);
        }
    }
}

impl std::fmt::Debug for AfterCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AfterCommit({} waiting)", lock(&self.waiting).len())
    }
}
