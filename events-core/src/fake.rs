//! A dispatcher that records events instead of running their listeners.

use std::any::{TypeId, type_name};
use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex};

use crate::context::Context;
use crate::dispatch::{ErrorPolicy, willing};
use crate::event::{AnyEvent, CloneFn, Event};
use crate::events::Events;
use crate::fault::place;
use crate::future::caught;
use crate::sync::lock;
use crate::table::Table;

/// A dispatcher that records events instead of running their listeners, for tests: all events, or
/// [`only`](Self::only) some, or all [`except`](Self::except) some. What it does not fake runs as ever.
///
/// Fakes do not know of each other: give [`events`](Self::events) to the code under test, or run it in a
/// [`scope`](Self::scope) if it uses the current dispatcher.
///
/// ```standalone_crate
/// use events_core::{Event, Events};
///
/// #[derive(Clone, Debug, Event)]
/// struct OrderPaid { order: u64 }
///
/// fn pay(order: u64) { OrderPaid { order }.dispatch_sync().unwrap(); }
///
/// let fake = Events::fake();
/// fake.scope_sync(|| pay(7));
/// fake.assert_dispatched_where::<OrderPaid>(|event| event.order == 7);
/// fake.assert_dispatched_once::<OrderPaid>();
/// ```
#[derive(Clone)]
pub struct Fake {
    events: Events,
    fakes: Fakes,
}

/// What a fake dispatcher records.
#[derive(Clone, Default)]
pub(crate) struct Fakes(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    only: Option<HashSet<TypeId>>,
    except: HashSet<TypeId>,
    seen: Vec<Seen>,
}

struct Seen {
    id: TypeId,
    text: String,
    /// A clone, where the event can be cloned.
    event: Option<Arc<dyn AnyEvent>>,
    /// The queued listeners for which jobs would have been pushed.
    queued: Vec<String>,
}

impl Fakes {
    /// Records the event, if it is one of those that are faked.
    pub(crate) fn record(&self, events: &Events, event: &dyn AnyEvent, table: &Table) -> bool {
        let meta = event.any_meta();
        if !self.includes(meta.type_id) {
            return false;
        }
        // The event's own `Debug` and `Clone`, and conditions, run outside the lock.
        let cx = Context::new(events, event, table);
        let queued = willing(&cx, table.queued(), &mut Vec::new(), ErrorPolicy::RunAll);
        let clone = |clone: CloneFn| caught(|| clone(event)).ok().flatten();
        let seen = Seen {
            id: meta.type_id,
            text: caught(|| format!("{event:?}")).unwrap_or_else(|message| {
                format!("{} (its `Debug` panicked: {message})", meta.ident)
            }),
            event: meta.clone.and_then(clone).map(Arc::from),
            queued: queued
                .iter()
                .map(|entry| entry.record().name.to_string())
                .collect(),
        };
        lock(&self.0).seen.push(seen);
        true
    }

    /// Whether events of this type are faked.
    fn includes(&self, id: TypeId) -> bool {
        let recorded = lock(&self.0);
        let only = recorded.only.as_ref();
        only.is_none_or(|only| only.contains(&id)) && !recorded.except.contains(&id)
    }
}

impl Fake {
    pub(crate) fn new(events: Events, fakes: Fakes) -> Self {
        Self { events, fakes }
    }

    /// Fakes `E` only, and what other calls of `only` name; everything else runs.
    #[must_use]
    pub fn only<E: Event>(self) -> Self {
        lock(&self.fakes.0)
            .only
            .get_or_insert_default()
            .insert(TypeId::of::<E>());
        self
    }

    /// Runs `E` as ever, and what other calls of `except` name.
    #[must_use]
    pub fn except<E: Event>(self) -> Self {
        lock(&self.fakes.0).except.insert(TypeId::of::<E>());
        self
    }

    /// The dispatcher, for the code under test.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Runs a future with the fake as the current dispatcher.
    pub fn scope<F: Future>(&self, block: F) -> crate::Scope<F> {
        self.events.scope(block)
    }

    /// Runs a function with the fake as the current dispatcher.
    pub fn scope_sync<T>(&self, block: impl FnOnce() -> T) -> T {
        self.events.scope_sync(block)
    }

    /// The recorded events of type `E`, in their order.
    #[must_use]
    pub fn dispatched<E: Event + Clone>(&self) -> Vec<E> {
        let of_type: Vec<Arc<dyn AnyEvent>> = {
            let recorded = lock(&self.fakes.0);
            let events = recorded.seen.iter().filter_map(|seen| seen.event.as_ref());
            events.filter(|event| event.is::<E>()).cloned().collect()
        };
        // The event's own `Clone` runs outside the lock.
        let events = of_type.iter();
        events
            .filter_map(|event| event.downcast_ref::<E>().cloned())
            .collect()
    }

    /// How often an `E` was recorded.
    ///
    /// # Panics
    ///
    /// If this fake does not record it, so that the answer would say nothing.
    #[track_caller]
    fn times<E: Event>(&self) -> usize {
        let id = TypeId::of::<E>();
        assert!(
            self.fakes.includes(id),
            "`{}` is not faked, so that its dispatches are not recorded: name it with `only`, or do not leave it out with `except`",
            type_name::<E>()
        );
        let recorded = lock(&self.fakes.0);
        recorded.seen.iter().filter(|seen| seen.id == id).count()
    }

    /// What was recorded, for a message.
    fn seen(&self) -> String {
        let recorded = lock(&self.fakes.0);
        if recorded.seen.is_empty() {
            return "nothing was dispatched".to_owned();
        }
        let mut text = "what was dispatched:".to_owned();
        for seen in &recorded.seen {
            text.push_str("\n  ");
            text.push_str(&seen.text);
        }
        text
    }

    /// Asserts that an `E` was dispatched.
    ///
    /// # Panics
    ///
    /// If none was; the message shows what was.
    #[track_caller]
    pub fn assert_dispatched<E: Event>(&self) {
        assert!(
            self.times::<E>() > 0,
            "no `{}` was dispatched; {}",
            type_name::<E>(),
            self.seen()
        );
    }

    /// Asserts that an `E` was dispatched for which `wanted` holds.
    ///
    /// # Panics
    ///
    /// If none was; the message shows what was.
    #[track_caller]
    pub fn assert_dispatched_where<E: Event + Clone>(&self, wanted: impl Fn(&E) -> bool) {
        let _faked = self.times::<E>();
        assert!(
            self.dispatched::<E>().iter().any(wanted),
            "no `{}` for which the condition holds was dispatched; {}",
            type_name::<E>(),
            self.seen()
        );
    }

    /// Asserts that an `E` was dispatched so many times.
    ///
    /// # Panics
    ///
    /// If it was not; the message shows what was dispatched.
    #[track_caller]
    pub fn assert_dispatched_times<E: Event>(&self, times: usize) {
        let seen = self.times::<E>();
        assert!(
            seen == times,
            "`{}` was dispatched {seen} times, not {times}; {}",
            type_name::<E>(),
            self.seen()
        );
    }

    /// Asserts that an `E` was dispatched once.
    ///
    /// # Panics
    ///
    /// If it was not; the message shows what was dispatched.
    #[track_caller]
    pub fn assert_dispatched_once<E: Event>(&self) {
        self.assert_dispatched_times::<E>(1);
    }

    /// Asserts that no `E` was dispatched.
    ///
    /// # Panics
    ///
    /// If one was; the message shows what was dispatched.
    #[track_caller]
    pub fn assert_not_dispatched<E: Event>(&self) {
        self.assert_dispatched_times::<E>(0);
    }

    /// Asserts that nothing was dispatched.
    ///
    /// # Panics
    ///
    /// If something was; the message shows it.
    #[track_caller]
    pub fn assert_nothing_dispatched(&self) {
        assert!(lock(&self.fakes.0).seen.is_empty(), "{}", self.seen());
    }

    /// Asserts that a listener hears `E`. The name may be its full name or the end of it: `mail::send_receipt`.
    ///
    /// # Panics
    ///
    /// If none of that name does; the message lists those that do.
    #[track_caller]
    pub fn assert_listening<E: Event>(&self, listener: &str) {
        let table = self.events.inner().merged(E::meta().any());
        let entries = table.inline().iter().chain(table.queued());
        let records: Vec<_> = entries.map(|entry| entry.record().clone()).collect();
        assert!(
            records
                .iter()
                .any(|record| is_named(&record.name, listener)),
            "no listener `{listener}` hears `{}`; those that do:{}",
            type_name::<E>(),
            records.iter().fold(String::new(), |text, record| {
                text + "\n  " + &record.name + " (" + &place(&record.source) + ")"
            })
        );
    }

    /// Asserts that an `E` was dispatched for which a job of the queued listener would have been pushed: one whose
    /// condition held. The name may be its full name or the end of it.
    ///
    /// # Panics
    ///
    /// If none was; the message shows what was dispatched and the jobs there would have been.
    #[track_caller]
    pub fn assert_queued<E: Event>(&self, listener: &str) {
        let _faked = self.times::<E>();
        let id = TypeId::of::<E>();
        let jobs: Vec<String> = {
            let recorded = lock(&self.fakes.0);
            let seen = recorded.seen.iter().filter(|seen| seen.id == id);
            seen.flat_map(|seen| seen.queued.clone()).collect()
        };
        assert!(
            jobs.iter().any(|queued| is_named(queued, listener)),
            "no job of `{listener}` for `{}`; jobs there would be: {jobs:?}; {}",
            type_name::<E>(),
            self.seen()
        );
    }
}

/// Whether a full name is `wanted`, or ends with it after a `::`.
fn is_named(full: &str, wanted: &str) -> bool {
    full.strip_suffix(wanted)
        .is_some_and(|before| before.is_empty() || before.ends_with("::"))
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fake({})", self.seen())
    }
}
