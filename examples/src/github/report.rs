//! What is told: lines of the timeline while it happens, and a table of what each listener did.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use events_core::{AnyEvent, BoxError, Context, Failure, FromContext, Needs, State};
use helpdesk_listeners::{Teller, Timeline};

/// What the listeners did: a state that they ask for.
#[derive(Default)]
pub(crate) struct Report(Mutex<Rows>);

/// By event and listener.
type Rows = BTreeMap<(String, String), Row>;

#[derive(Default)]
struct Row {
    times: u32,
    failures: u32,
}

impl Report {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, event: &str, listener: &str, failed: bool) {
        let mut rows = self.rows();
        let row = rows
            .entry((event.to_owned(), listener.to_owned()))
            .or_default();
        row.times += 1;
        row.failures += u32::from(failed);
    }

    /// Listeners failed in a dispatch.
    pub(super) fn failed(&self, failures: &[Failure], at: DateTime<Utc>, timeline: &Timeline) {
        for failure in failures {
            let listener = failure.listener().name();
            let listener = listener.rsplit("::").next().unwrap_or(listener);
            self.count(failure.event(), listener, true);
            let what = format!("{listener:<18} failed: {}", failure.cause());
            timeline.failure(at, failure.event(), &what);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:<20} {:>6} {:>9}",
            "event", "listener", "times", "failures"
        )?;
        for ((event, listener), Row { times, failures }) in &*self.rows() {
            writeln!(f, "{event:<24} {listener:<20} {times:>6} {failures:>9}")?;
        }
        Ok(())
    }
}

/// How a listener tells what it did: an argument that it asks for.
pub(super) struct Reporter<'a> {
    event: &'a dyn AnyEvent,
    report: &'a Report,
    teller: Teller<'a>,
}

impl<'a> FromContext<'a> for Reporter<'a> {
    fn needs(needs: &mut Needs) {
        needs.state::<Report>();
        Teller::needs(needs);
    }

    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        let report: &State<Report> = cx.state().ok_or("there is no report")?;
        Ok(Self {
            event: cx.event(),
            report,
            teller: Teller::from_context(cx)?,
        })
    }
}

impl Reporter<'_> {
    /// The listener heard its event: a number of the table.
    pub(super) fn count(&self, listener: &str) {
        self.report.count(self.event.name(), listener, false);
    }

    /// The same, with a line of the timeline.
    pub(super) fn heard(&self, listener: &str, what: impl fmt::Display) {
        self.count(listener);
        self.tell(listener, what);
    }

    /// The listener heard its event and failed.
    pub(super) fn missed(&self, listener: &str, what: impl fmt::Display) {
        self.report.count(self.event.name(), listener, true);
        self.tell(listener, what);
    }

    /// A line of the timeline alone.
    pub(super) fn tell(&self, listener: &str, what: impl fmt::Display) {
        self.teller.tell(&format!("{listener:<18} {what}"));
    }
}
