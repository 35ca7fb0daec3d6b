//! What was linked: the events, listeners, model loaders and upcasters that registered themselves before `main`.

use std::sync::{Mutex, OnceLock};

use crate::durable::{ModelRecord, UpcasterRecord};
use crate::event::EventMeta;
use crate::listener::ListenerRecord;
use crate::sync::lock;

/// What a macro registers at link time.
pub enum Registration {
    /// An event type.
    Event(&'static EventMeta),
    /// A listener.
    Listener(&'static ListenerRecord),
    /// A model's loader.
    Model(&'static ModelRecord),
    /// An upcaster of an event.
    Upcaster(&'static UpcasterRecord),
}

inventory::collect!(Registration);

/// A listener that is registered by hand, where link-time constructors do not run: written by
/// `#[listener(.., handle = NAME)]`, given to [`EventsBuilder::register`](crate::EventsBuilder::register).
#[derive(Clone, Copy, Debug)]
pub struct Handle(&'static ListenerRecord);

impl Handle {
    /// The handle of this listener.
    #[must_use]
    pub const fn new(record: &'static ListenerRecord) -> Self {
        Self(record)
    }

    pub(crate) fn record(self) -> &'static ListenerRecord {
        self.0
    }
}

/// Everything that was linked, in an order that does not depend on the linker.
pub(crate) struct Linked {
    pub(crate) events: Vec<&'static EventMeta>,
    pub(crate) listeners: Vec<&'static ListenerRecord>,
    pub(crate) models: Vec<&'static ModelRecord>,
    pub(crate) upcasters: Vec<&'static UpcasterRecord>,
}

/// What was linked, gathered when first asked for. Every linked event has its number from then on.
pub(crate) fn linked() -> &'static Linked {
    static LINKED: OnceLock<Linked> = OnceLock::new();
    LINKED.get_or_init(|| {
        let mut linked = Linked {
            events: Vec::new(),
            listeners: Vec::new(),
            models: Vec::new(),
            upcasters: Vec::new(),
        };
        for registration in inventory::iter::<Registration> {
            match registration {
                Registration::Event(meta) => linked.events.push(meta),
                Registration::Listener(record) => linked.listeners.push(record),
                Registration::Model(record) => linked.models.push(record),
                Registration::Upcaster(record) => linked.upcasters.push(record),
            }
        }
        linked
            .events
            .sort_by_key(|meta| (meta.module, meta.ident, meta.line));
        linked.listeners.sort_by(|a, b| {
            (&a.name, a.source.file, a.source.line).cmp(&(&b.name, b.source.file, b.source.line))
        });
        linked.models.sort_by_key(|model| {
            let source = model.source();
            (model.name(), source.file, source.line)
        });
        for meta in &linked.events {
            number_of(meta);
        }
        linked
    })
}

/// The events that have a number, in the order of their numbers, from 1.
static NUMBERED: Mutex<Vec<&'static EventMeta>> = Mutex::new(Vec::new());

/// The dense number of an event, from 1. Events that were not linked get theirs when they are first met.
pub(crate) fn number_of(meta: &'static EventMeta) -> usize {
    if meta.index() == 0 {
        let mut numbered = lock(&NUMBERED);
        if meta.index() == 0 {
            numbered.push(meta);
            // More events than a `u32` counts do not fit into a program.
            meta.set_index(u32::try_from(numbered.len()).unwrap_or(u32::MAX));
        }
    }
    meta.index()
}

/// The events that have a number, in the order of their numbers, from 1.
pub(crate) fn numbered() -> Vec<&'static EventMeta> {
    lock(&NUMBERED).clone()
}
