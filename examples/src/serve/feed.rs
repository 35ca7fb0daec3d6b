//! Every event as a line of JSON, for whatever reads the program's output.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use events_core::{AnyEvent, Delivery, State, listener};
use serde_json::{Value, json};

/// Whether events are printed: a state that a listener asks for.
#[derive(Default)]
pub(crate) struct Feed(AtomicBool);

impl Feed {
    /// Events are printed from now on.
    pub(super) fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// It hears every event that has a name. One that is not durable has no wire form, so its line has no payload.
#[listener("*", priority = 100)]
fn print(event: &dyn AnyEvent, delivery: Delivery, feed: &State<Feed>) {
    if !feed.0.load(Ordering::Relaxed) {
        return;
    }
    let mut line = json!({
        "event": event.name(),
        "id": delivery.id,
        "at": delivery.at,
        "cause": delivery.causation_id,
    });
    let payload = event.payload().ok();
    if let Some(payload) = payload.and_then(|text| serde_json::from_str::<Value>(&text).ok()) {
        line["payload"] = payload;
    }
    // A reader that leaves early misses the rest, and that is all.
    let _ = writeln!(io::stdout(), "{line}");
}
