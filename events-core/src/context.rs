//! What a running listener's arguments are made from.

use std::any::Any;
use std::cell::Cell;
use std::sync::LazyLock;

use crate::delivery::{Attempt, Delivery};
use crate::erased::Place;
use crate::event::{Allowed, AnyEvent, Event, EventMeta, Upcast};
use crate::events::Events;
use crate::extensions::Extensions;
use crate::state::State;
use crate::table::Table;

/// What a running listener's arguments are made from: see [`FromContext`](crate::FromContext).
pub struct Context<'a> {
    events: &'a Events,
    event: &'a dyn AnyEvent,
    table: &'a Table,
    place: Place,
    delivery: Cell<Option<Delivery>>,
    job: Option<&'a JobRun<'a>>,
}

/// What the run of a job knows that a dispatch does not.
pub(crate) struct JobRun<'a> {
    pub(crate) attempt: Attempt,
    pub(crate) extensions: &'a Extensions,
}

impl<'a> Context<'a> {
    #[inline]
    pub(crate) fn new(
        events: &'a Events,
        event: &'a dyn AnyEvent,
        table: &'a Table,
    ) -> Self {
        Self {
            events,
            event,
            table,
            place: Place::at(table.calls().first()),
            delivery: Cell::new(None),
            job: None,
        }
    }

    /// As the context of a dispatch whose delivery is known.
    pub(crate) fn of_delivery(mut self, delivery: Option<Delivery>) -> Self {
        self.delivery = Cell::new(delivery);
        self
    }

    /// As the context of a job's run.
    pub(crate) fn of_job(mut self, delivery: Delivery, job: &'a JobRun<'a>) -> Self {
        self.delivery = Cell::new(Some(delivery));
        self.job = Some(job);
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
        self.job.map_or(Attempt::INLINE, |job| job.attempt)
    }

    /// The dispatcher; what is dispatched with it has this dispatch as its cause.
    #[must_use]
    pub fn events(&self) -> Events {
        self.events.caused_by(&self.delivery())
    }

    /// A value that whoever runs the job gave to this run, as the job's transaction.
    #[must_use]
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&'a T> {
        self.job?.extensions.get()
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
        self.table
            .entry(self.place.index(self.table.calls()))
            .upcast
            .as_deref()?
            .downcast_ref()
    }
}

/// What stands for the event where none is being dispatched.
struct NoEvent;

impl Event for NoEvent {
    type Response = ();
    type Queueing = Allowed;

    fn meta() -> &'static EventMeta {
        static META: LazyLock<EventMeta> =
            LazyLock::new(|| EventMeta::new::<NoEvent>("NoEvent", module_path!(), file!(), line!()));
        &META
    }
}
