//! What can go wrong in a dispatch.

use std::error::Error;
use std::fmt;

use super::Dispatched;
use crate::BoxError;
use crate::durable::EncodeError;
use crate::event::{AnyEvent, EventMeta};
use crate::fault::Fault;
use crate::listener::Source;
use crate::queue::{Permanent, PushError};
use crate::table::{Entry, Record, Table};

/// A listener, as errors and reports name it.
#[derive(Clone)]
pub struct ListenerInfo(pub(crate) Record);

impl ListenerInfo {
    /// Its full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it is written.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.0.source
    }
}

impl fmt::Display for ListenerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source();
        write!(f, "`{}` ({}:{})", self.name(), source.file, source.line)
    }
}

impl fmt::Debug for ListenerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a listener failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum FailureCause {
    /// It, or one of its arguments, returned an error.
    Error(BoxError),
    /// It panicked, with this message.
    Panic(String),
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic(message) => write!(f, "panicked: {message}"),
        }
    }
}

/// The failure of one listener.
pub struct Failure {
    event: &'static EventMeta,
    listener: ListenerInfo,
    cause: FailureCause,
}

impl Failure {
    pub(crate) fn new(
        event: &'static EventMeta,
        listener: ListenerInfo,
        cause: FailureCause,
    ) -> Self {
        Self {
            event,
            listener,
            cause,
        }
    }

    /// The event's stored name, else its type's.
    #[must_use]
    pub fn event(&self) -> &'static str {
        self.event.display_name()
    }

    /// The listener that failed.
    #[must_use]
    pub fn listener(&self) -> &ListenerInfo {
        &self.listener
    }

    /// Why it failed.
    #[must_use]
    pub fn cause(&self) -> &FailureCause {
        &self.cause
    }

    /// The listener's error, unless it panicked.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match &self.cause {
            FailureCause::Error(error) => Some(&**error),
            FailureCause::Panic(_) => None,
        }
    }

    pub(crate) fn into_cause(self) -> FailureCause {
        self.cause
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.listener, self.cause)
    }
}

impl fmt::Debug for Failure {
    /// As the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a dispatch refused before it ran anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// `dispatch_sync` met an async listener.
    #[error("{0} is async: use `dispatch(..).await`, or make the listener a plain `fn`")]
    AsyncListener(ListenerInfo),
    /// The dispatcher lacks what listeners need.
    #[error("the dispatcher lacks what its listeners need: {}", crate::fault::list(.0))]
    Unwired(Vec<Fault>),
    /// The jobs of queued listeners could not be pushed, so that nothing ran.
    #[error("no job was pushed and nothing ran: {0}")]
    Push(PushError),
    /// The event could not be written in its wire form.
    #[error("no job was pushed and nothing ran: {0}")]
    Encode(EncodeError),
    /// The function that makes a job's key panicked, with this message.
    #[error(
        "no job was pushed and nothing ran: the function that makes a key for {0} panicked: {1}"
    )]
    KeyPanicked(ListenerInfo, String),
    /// The event must be kept for later, but cannot be cloned.
    #[error("the event must be kept until {0}: derive `Clone` on it")]
    NotClone(&'static str),
    /// The event must be kept for later, but its `Clone` panicked, with this message.
    #[error("the event must be kept, but its `Clone` panicked: {0}")]
    ClonePanicked(String),
    /// A listener asks for a transaction, and there is none.
    #[error("{0} asks for a transaction: dispatch the event through one")]
    NeedsTransaction(ListenerInfo),
    /// Only jobs can be written into a transaction whose commit the dispatcher does not see.
    #[error(
        "{0} runs inline, and would wait for the commit of a transaction that is not the store's: queue it, or use the store's own transaction"
    )]
    InlineListener(ListenerInfo),
    /// Jobs would be pushed outside the transaction that the task has open.
    #[error(
        "the task has a transaction open: dispatch through it, so that the jobs are written with its rows"
    )]
    TransactionOpen,
}

/// A dispatch that refused, or in which listeners failed. It carries what a [`Dispatched`] carries.
pub struct DispatchError<T = ()>(Box<Inner<T>>);

struct Inner<T> {
    failures: Vec<Failure>,
    refusal: Option<(&'static EventMeta, Refusal)>,
    dispatched: Dispatched<T>,
}

impl<T> DispatchError<T> {
    pub(crate) fn new(
        failures: Vec<Failure>,
        refusal: Option<(&'static EventMeta, Refusal)>,
        dispatched: Dispatched<T>,
    ) -> Self {
        Self(Box::new(Inner {
            failures,
            refusal,
            dispatched,
        }))
    }

    /// Every listener that failed, in the order in which they ran.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.0.failures
    }

    /// Every listener that failed, in the order in which they ran.
    #[must_use]
    pub fn into_failures(self) -> Vec<Failure> {
        self.0.failures
    }

    /// Whether no further attempt can help any of the listeners that failed: each said so by a
    /// [`Permanent`](crate::Permanent).
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        let failures = self.failures();
        let permanent = |failure: &Failure| match &failure.cause {
            FailureCause::Error(error) => Permanent::is_in(error),
            FailureCause::Panic(_) => false,
        };
        !failures.is_empty() && failures.iter().all(permanent)
    }

    /// Why nothing ran, where nothing did.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.0.refusal.as_ref().map(|(_, refusal)| refusal)
    }

    /// What the dispatch brought besides: answers, who stopped it, jobs.
    #[must_use]
    pub fn dispatched(&self) -> &Dispatched<T> {
        &self.0.dispatched
    }

    /// What the dispatch brought besides: answers, who stopped it, jobs.
    #[must_use]
    pub fn into_dispatched(self) -> Dispatched<T> {
        self.0.dispatched
    }
}

impl<T> fmt::Display for DispatchError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((event, refusal)) = &self.0.refusal {
            return write!(f, "`{}` was not dispatched: {refusal}", event.full_name());
        }
        let failures = self.failures();
        if let [only] = failures {
            return write!(
                f,
                "a listener of `{}` failed: {only}",
                only.event.full_name()
            );
        }
        let event = failures.first().map(|failure| failure.event.full_name());
        let event = event.as_deref().unwrap_or("?");
        write!(f, "{} listeners of `{event}` failed", failures.len())?;
        for failure in failures {
            write!(f, "; {failure}")?;
        }
        Ok(())
    }
}

impl<T> fmt::Debug for DispatchError<T> {
    /// As the text: `unwrap` then shows a sentence to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> Error for DispatchError<T> {
    /// What is behind the first cause, which the text itself shows.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.refusal() {
            Some(Refusal::Push(PushError::Failed(error))) => error.source(),
            Some(Refusal::Encode(EncodeError::Serialize(error))) => error.source(),
            Some(_) => None,
            None => self.failures().first()?.error()?.source(),
        }
    }
}

/// A dispatch that was dropped half-way: what the error hook is told.
#[derive(Debug)]
pub struct NotRun {
    pub(crate) event: &'static str,
    pub(crate) listeners: Vec<ListenerInfo>,
    pub(crate) failures: Vec<Failure>,
}

impl NotRun {
    /// Of these listeners none has run.
    pub(crate) fn of(event: &dyn AnyEvent, listeners: &[Entry]) -> Self {
        Self {
            event: event.name(),
            listeners: listeners
                .iter()
                .map(|entry| ListenerInfo(entry.record().clone()))
                .collect(),
            failures: Vec::new(),
        }
    }

    /// Of the table's listeners none has run, nor, as far as is known, been given its job.
    pub(crate) fn of_table(event: &dyn AnyEvent, table: &Table) -> Self {
        let mut not_run = Self::of(event, table.queued());
        not_run
            .listeners
            .extend(Self::of(event, table.inline()).listeners);
        not_run
    }

    /// The event's stored name, else its type's.
    #[must_use]
    pub fn event(&self) -> &'static str {
        self.event
    }

    /// The listener that was running, which did not end, and those after it, which did not start; queued ones where
    /// their jobs were still to be pushed, or were just being pushed.
    #[must_use]
    pub fn listeners(&self) -> &[ListenerInfo] {
        &self.listeners
    }

    /// The failures before it.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }
}
