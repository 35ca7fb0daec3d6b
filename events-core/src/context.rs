//! What a running listener's arguments are made from.

use std::any::Any;
use std::cell::Cell;
use std::sync::LazyLock;

use tracing::Span;

use crate::delivery::{Attempt, Delivery};
use crate::dispatch::ErrorPolicy;
use crate::erased::Place;
use crate::event::{Allowed, AnyEvent, Event, EventMeta, Meta, Upcast};
use crate::events::Events;
use crate::extensions::Extensions;
use crate::state::State;
use crate::table::{Entry, Table};
use crate::telemetry::Kept;

/// What a running listener's arguments are made from: see [`FromContext`](crate::FromContext).
pub struct Context<'a> {
    events: &'a Events,
    event: &'a dyn AnyEvent,
    table: &'a Table,
    place: Place,
    delivery: Cell<Option<Delivery>>,
    terms: Option<&'a Terms<'a>>,
}

/// The terms of a run that is more than a plain dispatch.
pub(crate) struct Terms<'a> {
    pub(crate) attempt: Attempt,
    pub(crate) extensions: Option<&'a Extensions>,
    /// Whether the first answer ends it.
    pub(crate) until_answer: bool,
    /// Where calls open spans: that of an async listener which has not ended.
    pub(crate) span: Kept,
}

impl Terms<'_> {
    /// Those of a dispatch.
    pub(crate) fn inline(until_answer: bool) -> Self {
        Self {
            attempt: Attempt::INLINE,
            extensions: None,
            until_answer,
            span: Kept::default(),
        }
    }
}

impl<'a> Context<'a> {
    #[inline]
    pub(crate) fn new(events: &'a Events, event: &'a dyn AnyEvent, table: &'a Table) -> Self {
        Self {
            events,
            event,
            table,
            place: Place::at(table.calls().first()),
            delivery: Cell::new(None),
            terms: None,
        }
    }

    /// As the context of a dispatch whose delivery is known.
    pub(crate) fn of_delivery(mut self, delivery: Option<Delivery>) -> Self {
        self.delivery = Cell::new(delivery);
        self
    }

    /// As the context of a run with terms of its own.
    pub(crate) fn on_terms(mut self, terms: &'a Terms<'a>) -> Self {
        self.terms = Some(terms);
        self
    }

    /// A context of no event's run, for arguments that are not a listener's.
    pub(crate) fn bare(events: &'a Events) -> Self {
        static NOTHING: LazyLock<Table> =
            LazyLock::new(|| Table::of(Vec::new(), Vec::new(), Vec::new(), 0));
        Self::new(events, &NoEvent, &NOTHING)
    }

    /// The event.
    #[inline]
    #[must_use]
    pub fn event(&self) -> &'a dyn AnyEvent {
        self.event
    }

    /// The state `T`, if the dispatcher has it.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&'a State<T>> {
        self.events.state()
    }

    /// What identifies this dispatch: made when first asked for.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        if let Some(delivery) = self.delivery.get() {
            return delivery;
        }
        let delivery = self.events.new_delivery();
        self.delivery.set(Some(delivery));
        delivery
    }

    /// Which attempt this is.
    #[inline]
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.terms.map_or(Attempt::INLINE, |terms| terms.attempt)
    }

    /// The dispatcher; what is dispatched with it has this dispatch as its cause.
    #[must_use]
    pub fn events(&self) -> Events {
        self.events.caused_by(&self.delivery())
    }

    /// A value that whoever runs the job gave to this run, as the job's transaction.
    #[must_use]
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&'a T> {
        self.terms?.extensions?.get()
    }

    /// Whether a failure ends the run.
    pub(crate) fn stops_at_failure(&self) -> bool {
        self.events.policy() == ErrorPolicy::FailFast
    }

    /// Whether an answer ends the run.
    pub(crate) fn stops_at_answer(&self) -> bool {
        self.terms.is_some_and(|terms| terms.until_answer)
    }

    pub(crate) fn table(&self) -> &'a Table {
        self.table
    }

    pub(crate) fn dispatcher(&self) -> &'a Events {
        self.events
    }

    #[inline]
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The way from the event to the category that the running listener hears.
    pub(crate) fn upcast<C: ?Sized + 'static>(&self) -> Option<&'a Upcast<C>> {
        self.running().upcast.as_deref()?.downcast_ref()
    }

    /// The listener on whose entry it stands.
    pub(crate) fn running(&self) -> &'a Entry {
        self.table.entry(self.place.index(self.table.calls()))
    }

    /// Keeps the span of the running listener until it is polled again.
    pub(crate) fn keep_span(&self, span: Span) {
        if let Some(terms) = self.terms {
            terms.span.keep(span);
        }
    }

    /// The span that was kept.
    pub(crate) fn take_span(&self) -> Option<Span> {
        self.terms?.span.take()
    }
}

/// What stands for the event where none is being dispatched.
struct NoEvent;

impl Event for NoEvent {
    type Response = ();
    type Queueing = Allowed;

    fn meta() -> &'static Meta<Self> {
        static META: Meta<NoEvent> =
            Meta::new(EventMeta::new("NoEvent", module_path!(), file!(), line!()));
        &META
    }
}
