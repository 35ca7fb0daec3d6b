//! The static description of a listener, written by `#[listener]` and read by registry, dispatcher and catalog.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;

use super::{Arguments, AsyncListener, Needs, QueueOptions, SyncListener};
use crate::erased::{self, Call, ErasedEvent, Holds};
use crate::event::{AnyEvent, CategoryMeta, Event, EventMeta, meta_of};

/// What stands in the place of the event in a listener's signature: an event type, `dyn AnyEvent`, or `dyn Category`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "a listener hears a type with `#[derive(Event)]`, `dyn AnyEvent`, or `dyn Trait` of a `#[category]`"
)]
pub trait Heard: 'static {
    /// What a listener of it hears.
    #[doc(hidden)]
    const HEARS: Hears;

    /// Whether it is an event type, so that the erased event is cast to it unseen. No one else can say so of an event
    /// type, nor need anyone of another.
    #[doc(hidden)]
    const IS_EVENT: bool = false;

    /// Gives the erased event the listener's type.
    #[doc(hidden)]
    fn heard<'a>(event: ErasedEvent<'_, 'a, Self>) -> &'a Self;

    /// The event as this type, where it is one.
    #[doc(hidden)]
    fn of_any(event: &dyn AnyEvent) -> Option<&Self>;
}

impl Heard for dyn AnyEvent {
    const HEARS: Hears = Hears::Types(Cow::Borrowed(&[]));

    #[inline]
    fn heard<'a>(event: ErasedEvent<'_, 'a, Self>) -> &'a Self {
        event.any()
    }

    fn of_any(event: &dyn AnyEvent) -> Option<&Self> {
        Some(event)
    }
}

/// The condition under which a listener runs: written by `#[listener(when = path)]`.
pub trait Condition: 'static {
    /// What the listener hears.
    type Event: ?Sized + Heard;

    /// Whether the listener shall run for this event.
    fn holds(event: &Self::Event) -> bool;
}

/// Where an event or a listener is written.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path of the module.
    pub module: Cow<'static, str>,
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

/// What a listener hears.
#[derive(Clone)]
pub enum Hears {
    /// These event types.
    Types(Cow<'static, [fn() -> &'static EventMeta]>),
    /// Every event of a category.
    Category(fn() -> &'static CategoryMeta),
    /// Every event whose stored name matches: `*` stands for any characters.
    Pattern(Cow<'static, str>),
}

/// How a listener runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its function returns at once.
    Sync,
    /// Its function is `async`.
    Async,
}

/// A listener's condition, and the type that it gives the event.
#[derive(Clone, Copy)]
pub(crate) struct When {
    pub(crate) heard: GivenType,
    pub(crate) holds: Holds,
}

/// The type that a function of a listener gives the event.
#[derive(Clone, Copy)]
pub(crate) struct GivenType {
    pub(crate) id: TypeId,
    pub(crate) is_event: bool,
}

impl GivenType {
    const fn of<H: ?Sized + Heard>() -> Self {
        Self {
            id: TypeId::of::<H>(),
            is_event: H::IS_EVENT,
        }
    }
}

/// The static description of one listener.
#[derive(Clone)]
pub struct ListenerRecord {
    /// The full name: module and function, or the name given.
    pub name: Cow<'static, str>,
    /// Names under which jobs of this listener may still be stored.
    pub formerly: &'static [&'static str],
    /// The doc comment.
    pub doc: &'static str,
    /// Where it is written.
    pub source: Source,
    /// What it hears.
    pub hears: Hears,
    /// Sync or async.
    pub kind: Kind,
    /// High runs first; 0 unless given.
    pub priority: i32,
    /// Whether it waits for the commit of an open transaction.
    pub after_commit: bool,
    /// The condition under which it runs, decided once, at the dispatch.
    pub(crate) when: Option<When>,
    /// How it is queued; none for a listener that runs inline.
    pub queue: Option<&'static QueueOptions>,
    /// The type that `call` gives the event.
    pub(crate) heard: GivenType,
    pub(crate) call: Call,
    pub(crate) needs: Option<fn(&mut Needs)>,
}

impl ListenerRecord {
    /// The record of a sync listener. `name` is its full name.
    #[must_use]
    pub const fn sync<L: SyncListener>(name: &'static str, hears: Hears, source: Source) -> Self {
        Self::new(
            name,
            hears,
            source,
            Kind::Sync,
            GivenType::of::<L::Event>(),
            erased::call_sync::<L>,
            <L::Args<'static> as Arguments<'static>>::NEEDS,
        )
    }

    /// The record of an async listener. `name` is its full name.
    #[must_use]
    pub const fn future<L: AsyncListener>(
        name: &'static str,
        hears: Hears,
        source: Source,
    ) -> Self {
        Self::new(
            name,
            hears,
            source,
            Kind::Async,
            GivenType::of::<L::Event>(),
            erased::call_async::<L>,
            <L::Args<'static> as Arguments<'static>>::NEEDS,
        )
    }

    const fn new(
        name: &'static str,
        hears: Hears,
        source: Source,
        kind: Kind,
        event: GivenType,
        call: Call,
        needs: Option<fn(&mut Needs)>,
    ) -> Self {
        Self {
            name: Cow::Borrowed(name),
            formerly: &[],
            doc: "",
            source,
            hears,
            kind,
            priority: 0,
            after_commit: false,
            when: None,
            queue: None,
            heard: event,
            call,
            needs,
        }
    }

    /// With the doc comment of its function.
    #[must_use]
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// With a priority other than 0: high runs first.
    #[must_use]
    pub const fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// With names it had before.
    #[must_use]
    pub const fn formerly(mut self, names: &'static [&'static str]) -> Self {
        self.formerly = names;
        self
    }

    /// With a condition.
    #[must_use]
    pub const fn when<C: Condition>(mut self) -> Self {
        self.when = Some(When {
            heard: GivenType::of::<C::Event>(),
            holds: erased::holds::<C>,
        });
        self
    }

    /// Waits for the commit of a transaction that is open at the dispatch.
    #[must_use]
    pub const fn after_commit(mut self) -> Self {
        self.after_commit = true;
        self
    }

    /// Queued with these options.
    #[must_use]
    pub const fn queued(mut self, options: &'static QueueOptions) -> Self {
        self.queue = Some(options);
        self
    }
}

impl fmt::Debug for ListenerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {}:{}",
            self.name, self.source.file, self.source.line
        )
    }
}

/// A value whose methods listen: written by `#[listeners]`, given to [`EventsBuilder::subscribe`](crate::EventsBuilder::subscribe).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no listeners",
    note = "write `#[listeners]` on an `impl` block of `{Self}` and `#[listener(Event)]` on its methods"
)]
pub trait Subscriber: Send + Sync + Sized + 'static {
    /// The records of its methods.
    #[doc(hidden)]
    fn listeners() -> &'static [ListenerRecord];
}

impl Source {
    /// A place known at compile time.
    #[must_use]
    pub const fn new(module: &'static str, file: &'static str, line: u32) -> Self {
        Self {
            module: Cow::Borrowed(module),
            file,
            line,
        }
    }
}

impl Hears {
    /// What a sync listener's own event says.
    #[must_use]
    pub const fn of_sync<L: SyncListener>() -> Self {
        <L::Event as Heard>::HEARS
    }

    /// What an async listener's own event says.
    #[must_use]
    pub const fn of_async<L: AsyncListener>() -> Self {
        <L::Event as Heard>::HEARS
    }

    /// One event type.
    #[must_use]
    pub fn one<E: Event>() -> Self {
        Self::Types(Cow::Owned(vec![meta_of::<E> as fn() -> &'static EventMeta]))
    }
}
