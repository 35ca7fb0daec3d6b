//! Why the listeners of an event run in the order in which they do.

use std::cmp::Ordering;

use super::columns::columns;
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
    let mut text = format!("{}, {}", event.label(), at(&event.file, event.line));
    let options = event_options(event);
    if !options.is_empty() {
        text = format!("{text}, {options}");
    }
    text.push('\n');
    if event.queued.is_empty() && event.inline.is_empty() {
        text.push_str("\nno listener hears it\n");
    }
    for (what, hearings) in [
        (
            "first the jobs of these are pushed, all or none",
            &event.queued,
        ),
        ("then these run, one after the other", &event.inline),
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
            [
                (index + 1).to_string(),
                this.listener.name.clone(),
                this.listener.priority.to_string(),
                this.hears(),
                reason(before, this, placed.get(index + 1)),
                kind(this.listener.kind).to_owned(),
                runs(this.listener),
                listener_options(this.listener),
                at(&this.listener.file, this.listener.line),
            ]
        })
        .collect();
    columns(
        [
            "#", "LISTENER", "PRIORITY", "HEARS", "WHY HERE", "KIND", "RUNS", "OPTIONS", "AT",
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
    let Some(before) = before else {
        return match next {
            None => "the only one".to_owned(),
            Some(next) => match deciding(this, next) {
                Deciding::Priority => "highest priority".to_owned(),
                Deciding::Closeness => {
                    format!(
                        "same priority; {} before {}",
                        closeness(this.by),
                        closeness(next.by)
                    )
                }
                Deciding::Name => format!("same priority, each {}; by name", closeness(this.by)),
                Deciding::Nothing => ALIKE.to_owned(),
            },
        };
    };
    match deciding(before, this) {
        Deciding::Priority => "lower priority".to_owned(),
        Deciding::Closeness => {
            format!(
                "same priority; {} after {}",
                closeness(this.by),
                closeness(before.by)
            )
        }
        Deciding::Name => format!("same priority, each {}; by name", closeness(this.by)),
        Deciding::Nothing => ALIKE.to_owned(),
    }
}

const ALIKE: &str = "same priority, closeness and name; no order is promised";

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
    } else if first.listener.name.cmp(&second.listener.name) != Ordering::Equal {
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
