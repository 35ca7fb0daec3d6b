//! The frozen listeners of one event type in one dispatcher.

use std::any::{Any, TypeId};
use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::erased::{Call, HotSlice, Resolved, call_in_span};
use crate::event::{AnyEvent, EventMeta};
use crate::fault::Fault;
use crate::listener::{GivenType, Hears, Kind, ListenerRecord, Need, Needs};
use crate::state::States;

/// A listener's record: linked, or made by this dispatcher.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    Linked(&'static ListenerRecord),
    Own(Arc<ListenerRecord>),
}

impl std::ops::Deref for Record {
    type Target = ListenerRecord;

    fn deref(&self) -> &ListenerRecord {
        match self {
            Self::Linked(record) => record,
            Self::Own(record) => record,
        }
    }
}

/// The subscriber or closure that a listener's calls belong to: an `Instance<T>`, and the id of its `T`.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) of: TypeId,
    pub(crate) instance: Arc<dyn Any + Send + Sync>,
}

/// A listener as this dispatcher has it.
#[derive(Clone)]
pub(crate) struct Wired {
    pub(crate) record: Record,
    pub(crate) owner: Option<Owner>,
}

/// How closely a listener names the event: closer runs first among equal priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Exact,
    Category,
    Pattern,
}

/// One listener of the table's event.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) wired: Wired,
    pub(crate) rank: Rank,
    /// The way to the category that the listener hears.
    pub(crate) upcast: Option<Arc<dyn Any + Send + Sync>>,
    resolved: Option<Arc<[Resolved]>>,
    /// The types of what it asks for that only a transaction, or the run of a job, brings.
    extensions: Option<Arc<[TypeId]>>,
}

impl Entry {
    pub(crate) fn record(&self) -> &Record {
        &self.wired.record
    }

    /// Whether it asks for what only a transaction, or the run of a job, brings.
    pub(crate) fn wants_extension(&self) -> bool {
        self.extensions.is_some()
    }

    /// Whether it asks for a value of this type that only a transaction, or the run of a job, brings.
    pub(crate) fn wants(&self, id: TypeId) -> bool {
        self.extensions
            .as_ref()
            .is_some_and(|wanted| wanted.contains(&id))
    }
}

/// What makes a dispatch take the long way, and whether it needs a runtime.
pub(crate) mod flags {
    /// At least one inline listener is async.
    pub(crate) const ASYNC: u32 = 1;
    /// At least one listener is queued.
    pub(crate) const QUEUED: u32 = 1 << 1;
    /// At least one listener has a condition.
    pub(crate) const CONDITION: u32 = 1 << 2;
    /// The event, or a listener, waits for a commit.
    pub(crate) const AFTER_COMMIT: u32 = 1 << 3;
    /// A listener lacks what it needs: nothing may run.
    pub(crate) const REFUSES: u32 = 1 << 4;
    /// A listener was added while the program runs.
    pub(crate) const RUNTIME: u32 = 1 << 5;
    /// The event has no number yet.
    pub(crate) const UNKNOWN: u32 = 1 << 7;
    /// The dispatcher records instead of running.
    pub(crate) const FAKE: u32 = 1 << 6;
    /// Nothing hears the event.
    pub(crate) const EMPTY: u32 = 1 << 8;
    /// An inline listener asks for what only a transaction brings.
    pub(crate) const EXTENSION: u32 = 1 << 9;
    /// A subscriber wants spans. No table has it: it stands with the open scopes.
    pub(crate) const SPANS: u32 = 1 << 10;
    /// The first number above all flags.
    pub(crate) const END: u32 = 1 << 11;
}

/// A table of which no inline listener is async.
#[derive(Clone, Copy)]
pub(crate) struct SyncTable<'t>(&'t Table);

impl<'t> SyncTable<'t> {
    #[inline]
    pub(crate) fn table(self) -> &'t Table {
        self.0
    }
}

/// The listeners of one event type in their order, merged and frozen.
pub(crate) struct Table {
    flags: AtomicU32,
    calls: HotSlice,
    entries: Box<[Entry]>,
    queued: Box<[Entry]>,
    faults: Vec<Fault>,
}

impl Table {
    /// Merges what hears the event. `wired` may come in any order.
    pub(crate) fn freeze<'w>(
        meta: &'static EventMeta,
        wired: impl IntoIterator<Item = (&'w Wired, Rank)>,
        states: &States,
        more_flags: u32,
    ) -> Self {
        // The keys stand beside each other: a sort that follows each record's pointer takes twice as long.
        let key = |(wired, rank): (&'w Wired, Rank)| {
            let record = &*wired.record;
            ((Reverse(record.priority), rank, &*record.name), wired)
        };
        let mut ordered: Vec<_> = wired.into_iter().map(key).collect();
        ordered.sort_by_key(|(key, _)| *key);
        let mut faults = Vec::new();
        let (mut inline, mut queued) = (Vec::with_capacity(ordered.len()), Vec::new());
        for ((_, rank, _), wired) in ordered {
            let entry = entry(meta, wired, rank, states, &mut faults);
            if wired.record.queue.is_some() {
                queued.push(entry);
            } else {
                inline.push(entry);
            }
        }
        Self::of(inline, queued, faults, more_flags | after_commit(meta))
    }

    /// A table of entries that are resolved and in order.
    pub(crate) fn of(
        inline: Vec<Entry>,
        queued: Vec<Entry>,
        faults: Vec<Fault>,
        more_flags: u32,
    ) -> Self {
        let call = |entry: &Entry| entry.record().call;
        Self::calling(call, inline, queued, faults, more_flags)
    }

    /// A table of inline listeners that are resolved and in order, each of whose calls opens a span.
    pub(crate) fn in_spans(inline: Vec<Entry>) -> Self {
        Self::calling(|_| call_in_span, inline, Vec::new(), Vec::new(), 0)
    }

    fn calling(
        call: impl Fn(&Entry) -> Call,
        inline: Vec<Entry>,
        queued: Vec<Entry>,
        faults: Vec<Fault>,
        more_flags: u32,
    ) -> Self {
        let mut flags = more_flags;
        for entry in inline.iter().chain(&queued) {
            let record = entry.record();
            flags |= flag(record.when.is_some(), flags::CONDITION);
            flags |= flag(record.after_commit, flags::AFTER_COMMIT);
        }
        flags |= flag(
            inline
                .iter()
                .any(|entry| entry.record().kind == Kind::Async),
            flags::ASYNC,
        );
        flags |= flag(!queued.is_empty(), flags::QUEUED);
        flags |= flag(inline.iter().any(Entry::wants_extension), flags::EXTENSION);
        flags |= flag(inline.is_empty() && queued.is_empty(), flags::EMPTY);
        flags |= flag(!faults.is_empty(), flags::REFUSES);
        let calls = HotSlice::new(
            inline
                .iter()
                .map(|entry| (call(entry), entry.resolved.clone())),
        );
        Self {
            flags: AtomicU32::new(flags),
            calls,
            entries: inline.into_boxed_slice(),
            queued: queued.into_boxed_slice(),
            faults,
        }
    }

    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// Whether dispatches must look for listeners that were added while the program runs.
    pub(crate) fn set_runtime(&self, some: bool) {
        if some {
            self.flags.fetch_or(flags::RUNTIME, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!flags::RUNTIME, Ordering::Relaxed);
        }
    }

    /// Itself, if no inline listener is async.
    pub(crate) fn if_sync(&self) -> Option<SyncTable<'_>> {
        (self.flags() & flags::ASYNC == 0).then_some(SyncTable(self))
    }

    /// Itself, if it has no flag at all, so that there is nothing to do but to call its listeners; else its flags
    /// and `more`.
    #[inline]
    pub(crate) fn plainly_sync(&self, more: u32) -> Result<SyncTable<'_>, u32> {
        match self.flags() | more {
            0 => Ok(SyncTable(self)),
            flags => Err(flags),
        }
    }

    #[inline]
    pub(crate) fn calls(&self) -> &HotSlice {
        &self.calls
    }

    /// The inline listener at an index of the calls.
    pub(crate) fn entry(&self, index: usize) -> &Entry {
        &self.entries[index]
    }

    /// The inline listeners, in order.
    pub(crate) fn inline(&self) -> &[Entry] {
        &self.entries
    }

    /// The queued listeners, in order.
    pub(crate) fn queued(&self) -> &[Entry] {
        &self.queued
    }

    /// What its listeners lack.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

fn flag(set: bool, flag: u32) -> u32 {
    if set { flag } else { 0 }
}

fn after_commit(meta: &EventMeta) -> u32 {
    flag(meta.after_commit || meta.announced, flags::AFTER_COMMIT)
}

/// How closely the listener names the event, if it hears it at all.
pub(crate) fn rank_for(record: &ListenerRecord, meta: &EventMeta) -> Option<Rank> {
    match &record.hears {
        Hears::Types(types) => types
            .iter()
            .any(|heard| heard().type_id == meta.type_id)
            .then_some(Rank::Exact),
        Hears::Category(category) => {
            let id = category().type_id;
            meta.categories
                .iter()
                .any(|membership| (membership.category)().type_id == id)
                .then_some(Rank::Category)
        }
        Hears::Pattern(pattern) => meta
            .name
            .is_some_and(|name| crate::pattern::matches(pattern, name))
            .then_some(Rank::Pattern),
    }
}

/// Resolves what one listener needs; what is missing goes to `faults`.
fn entry(
    meta: &'static EventMeta,
    wired: &Wired,
    rank: Rank,
    states: &States,
    faults: &mut Vec<Fault>,
) -> Entry {
    let record = &*wired.record;
    let upcast = match &record.hears {
        Hears::Category(category) => {
            let id = category().type_id;
            meta.categories
                .iter()
                .find(|membership| (membership.category)().type_id == id)
                .map(|membership| Arc::from((membership.upcast)()))
        }
        Hears::Types(_) | Hears::Pattern(_) => None,
    };
    if !casts_to(record, meta, rank) {
        faults.push(Fault::mismatched(&wired.record, meta));
    }
    let needs = record.needs.map(Needs::of).unwrap_or_default();
    Entry {
        wired: wired.clone(),
        rank,
        upcast,
        extensions: extensions(&needs),
        resolved: resolve(needs, wired, meta, states, faults),
    }
}

/// The types of the extensions among what is needed.
fn extensions(needs: &[(usize, Need)]) -> Option<Arc<[TypeId]>> {
    // Nearly always there are none, and a list of none allocates nothing.
    let wanted: Vec<TypeId> = needs
        .iter()
        .filter_map(|(_, need)| match need {
            Need::Extension { id } => Some(*id),
            Need::State { .. } | Need::Instance { .. } | Need::Presence { .. } => None,
        })
        .collect();
    (!wanted.is_empty()).then(|| wanted.into())
}

/// Whether the type that the listener's call casts to is one that the event has. The macros always write it so;
/// a record that was put together otherwise must not run.
fn casts_to(record: &ListenerRecord, meta: &EventMeta, rank: Rank) -> bool {
    let any = TypeId::of::<dyn AnyEvent>();
    let wanted = match (&record.hears, rank) {
        (Hears::Types(_), Rank::Exact) => meta.type_id,
        (Hears::Category(category), _) => category().type_id,
        _ => any,
    };
    // A cast to an event type is unseen: it must be this event's. Others find their way by themselves.
    let fits = |heard: GivenType| {
        (heard.id == wanted || heard.id == any) && (!heard.is_event || heard.id == meta.type_id)
    };
    fits(record.heard) && record.when.is_none_or(|when| fits(when.heard))
}

fn resolve(
    needs: Vec<(usize, Need)>,
    wired: &Wired,
    meta: &'static EventMeta,
    states: &States,
    faults: &mut Vec<Fault>,
) -> Option<Arc<[Resolved]>> {
    let length = needs.iter().map(|(position, _)| position + 1).max()?;
    let mut resolved = vec![Resolved::NONE; length];
    for (position, need) in needs {
        match need {
            Need::State { id, name } => match states.erased(id) {
                Some(state) => resolved[position] = Resolved::to(state),
                None => faults.push(Fault::missing_state(&wired.record, meta, name)),
            },
            Need::Instance { id, name } => match &wired.owner {
                Some(owner) if owner.of == id => {
                    resolved[position] = Resolved::to(&*owner.instance);
                }
                _ => faults.push(Fault::missing_instance(&wired.record, meta, name)),
            },
            // A transaction, or the run of a job, brings the one; the listener is only here with the other.
            Need::Extension { .. } | Need::Presence { .. } => {}
        }
    }
    Some(resolved.into())
}
