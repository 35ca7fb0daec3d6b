//! What the program knows about its own events and listeners: to print, to draw, and to keep as a contract.
//!
//! Nothing here decides anything: the order of listeners is read from the tables that dispatches use.

mod columns;
mod difference;
mod entry;
mod gather;
mod hints;
mod lock;
mod mermaid;
mod table;
mod why;
mod wire;

pub use difference::{LockDifference, LockError};
pub use entry::{
    EventEntry, HeardBy, Hearing, HearsEntry, ListenerEntry, QueueEntry, UniqueEntry, UniqueKey,
    UpcasterEntry,
};

use std::fmt;

use serde::Serialize;

use crate::events::Events;

/// What a dispatcher knows about its events and listeners, in an order that does not depend on the linker.
///
/// ```standalone_crate
/// use events_core::{listener, Event, Events};
///
/// #[derive(Clone, Debug, Event)]
/// #[event(name = "order.paid")]
/// struct OrderPaid { order: u64 }
///
/// #[listener(OrderPaid, name = "print")]
/// fn print(event: &OrderPaid) { println!("order {} paid", event.order); }
///
/// let catalog = Events::builder().build().unwrap().catalog();
/// assert_eq!(catalog.events[0].name.as_deref(), Some("order.paid"));
/// assert_eq!(catalog.events[0].inline[0].listener, "print");
/// println!("{catalog}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Catalog {
    /// The events, by their names; those without one stand under their types' paths.
    pub events: Vec<EventEntry>,
    /// The listeners, by their full names.
    pub listeners: Vec<ListenerEntry>,
}

impl Events {
    /// What this dispatcher knows about its events and listeners now: linked ones, those given to the builder, and
    /// those added since.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        gather::gather(self)
    }
}

impl Catalog {
    /// As text in columns, for a terminal; `Display` gives the same.
    #[must_use]
    pub fn table(&self) -> String {
        table::table(self)
    }

    /// As indented JSON: the fields of this struct. Durations are written as `#[listener]` takes them: `"30s"`.
    ///
    /// # Panics
    ///
    /// Never: all that a catalog holds can be written as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a catalog holds text, numbers and lists")
    }

    /// As a Mermaid flowchart from events to listeners. The numbers on the arrows are the order in which inline
    /// listeners run. Arrows to queued listeners are dashed and go through the listener's queue, which is drawn
    /// once for each listener, so that a path always leads from an event to a listener that hears it.
    #[must_use]
    pub fn mermaid(&self) -> String {
        mermaid::mermaid(self)
    }

    /// The order of an event's listeners, and the reason for each position: priority, then exact type, category,
    /// pattern, then the name. `event` is the stored name, the path of the type, or the type's name alone, which
    /// may fit several events. `None` if the catalog has no such event.
    #[must_use]
    pub fn why(&self, event: &str) -> Option<String> {
        why::why(self, event)
    }
}

impl fmt::Display for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table())
    }
}
