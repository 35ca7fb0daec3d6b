//! Why the listeners of an event run in the order in which they do.

use super::columns::{Row, columns};
use super::table::{at, event_options, kind, listener_options, runs};
use super::{Catalog, EventEntry, HeardBy, Hearing, HearsEntry, ListenerEntry};

pub(super) fn why(catalog: &Catalog, event: &str) -> Option<String> {
    let fits: [fn(&EventEntry, &str) -> bool; 3] = [
        |entry, event| entry.name.as_deref() == Some(event),
        |entry, event| entry.type_path == event,
        |entry, event| entry.type_path.rsplit("::").next() == Some(event),
    ];
    fits.iter().find_map(|fits| {
        let found = catalog.events.iter().filter(|entry| fits(entry, event));
        let texts: Vec<String> = found.map(|entry| explained(catalog, entry)).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    })
}

fn explained(catalog: &Catalog, event: &EventEntry) -> String {
    let named = event.name.as_ref().map(|name| format!("{name}, "));
    let mut text = format!(
        "{}{} at {}\n",
        named.unwrap_or_default(),
        event.type_path,
        at(&event.file, event.line)
    );
    let options = event_options(event);
    if !options.is_empty() {
        text = format!("{text}    {options}\n");
    }
    let then = match (event.queued.is_empty(), event.inline.is_empty()) {
        (true, true) => return format!("{text}\nno listener hears it\n"),
        (true, false) => "these run, one after the other",
        (false, _) => "then these run, one after the other",
    };
    for (what, hearings) in [
        (
            "first the jobs of these are pushed, all or none",
            &event.queued,
        ),
        (then, &event.inline),
    ] {
        if !hearings.is_empty() {
            text = format!("{text}\n{what}:\n\n{}", positions(catalog, hearings));
        }
    }
    text
}

fn positions(catalog: &Catalog, hearings: &[Hearing]) -> String {
    let placed: Vec<Placed> = hearings
        .iter()
        .filter_map(|hearing| {
            Some(Placed {
                listener: catalog.listeners.get(hearing.index)?,
                by: hearing.by,
            })
        })
        .collect();
    let rows: Vec<_> = placed
        .iter()
        .enumerate()
        .map(|(index, this)| {
            let before = index.checked_sub(1).map(|before| &placed[before]);
            Row {
                cells: [
                    (index + 1).to_string(),
                    this.listener.name.clone(),
                    this.listener.priority.to_string(),
                    this.hears(),
                    reason(before, this, placed.get(index + 1)),
                    kind(this.listener.kind).to_owned(),
                    runs(this.listener),
                    at(&this.listener.file, this.listener.line),
                ],
                notes: vec![listener_options(this.listener)],
            }
        })
        .collect();
    columns(
        [
            "#", "LISTENER", "PRIORITY", "HEARS", "WHY HERE", "KIND", "RUNS", "AT",
        ],
        &rows,
    )
}

/// A listener in the order of an event.
struct Placed<'a> {
    listener: &'a ListenerEntry,
    by: HeardBy,
}

impl Placed<'_> {
    fn hears(&self) -> String {
        match &self.listener.hears {
            HearsEntry::Types(_) => "the type".to_owned(),
            other => other.each().join(", "),
        }
    }
}

/// Why a listener stands after the one before it, or, for the first, before the next.
fn reason(before: Option<&Placed>, this: &Placed, next: Option<&Placed>) -> String {
    let (other, priority, side) = match (before, next) {
        (Some(before), _) => (before, "lower priority", "after"),
        (None, Some(next)) => (next, "highest priority", "before"),
        (None, None) => return "the only one".to_owned(),
    };
    let (by, other_by) = (closeness(this.by), closeness(other.by));
    match deciding(this, other) {
        Deciding::Priority => priority.to_owned(),
        Deciding::Closeness => format!("same priority; {by} {side} {other_by}"),
        Deciding::Name => format!("same priority, both {by}; {side} by name"),
        Deciding::Nothing => "alike in all; no order is promised".to_owned(),
    }
}

/// What decides the order of two listeners.
enum Deciding {
    Priority,
    Closeness,
    Name,
    Nothing,
}

fn deciding(first: &Placed, second: &Placed) -> Deciding {
    if first.listener.priority != second.listener.priority {
        Deciding::Priority
    } else if first.by != second.by {
        Deciding::Closeness
    } else if first.listener.name != second.listener.name {
        Deciding::Name
    } else {
        Deciding::Nothing
    }
}

fn closeness(by: HeardBy) -> &'static str {
    match by {
        HeardBy::Type => "by type",
        HeardBy::Category => "by category",
        HeardBy::Pattern => "by pattern",
    }
}
