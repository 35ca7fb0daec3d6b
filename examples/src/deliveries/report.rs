//! What is printed: a timeline while it happens, and a table of what each listener did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use events_core::{AnyEvent, Failure};

/// What the listeners did: a state that they ask for.
#[derive(Default)]
pub(crate) struct Report {
    counts: Mutex<Counts>,
    silent: AtomicBool,
}

#[derive(Default)]
struct Counts {
    /// The line of the delivery that is being dispatched; none while jobs run from the queue.
    delivery: Option<u32>,
    rows: BTreeMap<(String, String), Row>,
}

#[derive(Default)]
struct Row {
    times: u32,
    failures: u32,
}

impl Report {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, event: &str, listener: &str, failed: bool) {
        let mut counts = self.counts();
        let row = counts
            .rows
            .entry((event.to_owned(), listener.to_owned()))
            .or_default();
        row.times += 1;
        row.failures += u32::from(failed);
    }

    /// Nothing is printed from now on: somebody else tells what happens.
    pub(crate) fn be_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// The line of the delivery that is dispatched from now on.
    pub(crate) fn next_delivery(&self, number: u32) {
        self.counts().delivery = Some(number);
    }

    /// Jobs run from now on.
    pub(crate) fn now_the_queue(&self) {
        self.counts().delivery = None;
    }

    fn print(&self, event: &str, listener: &str, what: &str) {
        if self.silent.load(Ordering::Relaxed) {
            return;
        }
        let from = match self.counts().delivery {
            Some(line) => line.to_string(),
            None => "queue".to_owned(),
        };
        println!("{from:>5}  {event:<22} {listener:<18} {what}");
    }

    /// A listener heard an event.
    pub(crate) fn heard(&self, event: &(impl AnyEvent + ?Sized), listener: &str, what: String) {
        self.count(event.name(), listener, false);
        self.line(event, listener, &what);
    }

    /// A listener heard an event and failed.
    pub(crate) fn missed(&self, event: &(impl AnyEvent + ?Sized), listener: &str, what: String) {
        self.count(event.name(), listener, true);
        self.line(event, listener, &what);
    }

    /// A line of the timeline.
    pub(crate) fn line(&self, event: &(impl AnyEvent + ?Sized), listener: &str, what: &str) {
        self.print(event.name(), listener, what);
    }

    /// Listeners failed in a dispatch.
    pub(crate) fn failed(&self, failures: &[Failure]) {
        for failure in failures {
            let listener = failure.listener().name();
            let listener = listener.rsplit("::").next().unwrap_or(listener);
            self.count(failure.event(), listener, true);
            let what = format!("failed: {}", failure.cause());
            self.print(failure.event(), listener, &what);
        }
    }

    /// The table.
    pub(crate) fn print_table(&self) {
        let counts = self.counts();
        println!(
            "\n{:<24} {:<20} {:>6} {:>9}",
            "event", "listener", "times", "failures"
        );
        for ((event, listener), row) in &counts.rows {
            println!(
                "{event:<24} {listener:<20} {:>6} {:>9}",
                row.times, row.failures
            );
        }
        println!();
    }
}
