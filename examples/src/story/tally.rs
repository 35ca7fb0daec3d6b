//! How often each of the canonical events fired.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use events_core::{AnyEvent, Events, State, listener};

/// The names of events, and how often each was heard: a state that a listener asks for.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, u64>>);

/// It hears every event that has a name, of whatever crate.
#[listener("*", priority = 100)]
fn count(event: &dyn AnyEvent, tally: &State<Tally>) {
    let mut heard = tally.0.lock().unwrap_or_else(PoisonError::into_inner);
    *heard.entry(event.name()).or_default() += 1;
}

/// The table at the end: the canonical events, those too that did not fire.
pub(super) struct Table(BTreeMap<String, u64>);

impl Table {
    pub(super) fn of(events: &Events, tally: &Tally) -> Self {
        let heard = tally.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is linked is known; the catalog tells which crate each event is from.
        let entries = events.catalog().events.into_iter();
        let canonical = entries.filter(|entry| entry.type_path.starts_with("events_std::"));
        let names = canonical.filter_map(|entry| entry.name);
        Self(
            names
                .map(|name| {
                    let count = heard.get(&*name).copied().unwrap_or(0);
                    (name, count)
                })
                .collect(),
        )
    }

    /// One object: from name to count.
    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:>5}", "event", "fired")?;
        for (name, count) in &self.0 {
            writeln!(f, "{name:<28} {count:>5}")?;
        }
        Ok(())
    }
}
