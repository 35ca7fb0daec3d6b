//! What is told while it happens, a line for each event but those of single tickets, of which there are many.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use events_core::{AnyEvent, Events, State, listener};
use events_std::{
    IntegrationCreated, IntegrationDisabled, IntegrationHealthChanged, IntegrationSynced,
    OAuthCompleted, OAuthRevoked, OperationCompleted, OperationFailed, OperationStarted,
    SyncCompleted, SyncItemFailed,
};

/// Where the lines go: to the standard output, or nowhere.
#[derive(Debug)]
pub struct Timeline {
    aloud: bool,
}

impl Timeline {
    /// One that prints.
    #[must_use]
    pub fn aloud() -> Self {
        Self { aloud: true }
    }

    /// One that says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self { aloud: false }
    }

    /// A line: when, who, and what.
    pub fn line(&self, at: DateTime<Utc>, who: &str, what: &str) {
        self.print(&format!("{}  {who:<27} {what}", at.format("%H:%M:%S")));
    }

    /// A line that begins something new.
    pub fn title(&self, at: DateTime<Utc>, what: &str) {
        self.print(&format!("\n{}  {what}", at.format("%H:%M:%S")));
    }

    /// What stands there as it is.
    pub fn print(&self, text: &str) {
        if self.aloud {
            // A reader that leaves early, as `head` does, misses the rest, and that is all.
            let _ = writeln!(io::stdout(), "{text}");
        }
    }
}

/// What a listener needs to tell of its event.
fn tell(event: &impl AnyEvent, events: &Events, timeline: &Timeline, what: &str) {
    timeline.line(events.now(), event.name(), what);
}

#[listener]
fn created(event: &IntegrationCreated, events: Events, timeline: &State<Timeline>) {
    let integration = &event.integration;
    let what = format!("`{}` of {}", integration.name, integration.provider);
    tell(event, &events, timeline, &what);
}

#[listener]
fn connected(event: &OAuthCompleted, events: Events, timeline: &State<Timeline>) {
    let what = format!("`{}` is authorized", event.integration.name);
    tell(event, &events, timeline, &what);
}

#[listener]
fn disconnected(event: &OAuthRevoked, events: Events, timeline: &State<Timeline>) {
    let what = format!("`{}` has no token any more", event.integration.name);
    tell(event, &events, timeline, &what);
}

#[listener]
fn synced(event: &IntegrationSynced, events: Events, timeline: &State<Timeline>) {
    let what = match event.integration.next_sync_at {
        Some(next) => format!("up to date, next sync at {}", next.format("%H:%M:%S")),
        None => "up to date".to_owned(),
    };
    tell(event, &events, timeline, &what);
}

#[listener]
fn health_changed(event: &IntegrationHealthChanged, events: Events, timeline: &State<Timeline>) {
    let what = format!("{} -> {}", event.previous_status, event.new_status);
    tell(event, &events, timeline, &what);
}

#[listener]
fn disabled(event: &IntegrationDisabled, events: Events, timeline: &State<Timeline>) {
    let failures = event.integration.consecutive_failures;
    let what = format!("after {failures} failures in a row; only an operator enables it again");
    tell(event, &events, timeline, &what);
}

#[listener]
fn started(event: &OperationStarted, events: Events, timeline: &State<Timeline>) {
    tell(event, &events, timeline, &event.log.operation);
}

#[listener]
fn completed(event: &OperationCompleted, events: Events, timeline: &State<Timeline>) {
    tell(event, &events, timeline, &event.log.operation);
}

#[listener]
fn failed(event: &OperationFailed, events: Events, timeline: &State<Timeline>) {
    let error = event.log.error.as_deref().unwrap_or_default();
    let what = format!("{}: {error}", event.log.operation);
    tell(event, &events, timeline, &what);
}

#[listener]
fn item_failed(event: &SyncItemFailed, events: Events, timeline: &State<Timeline>) {
    let ticket = event.item.external_id.as_deref().unwrap_or("?");
    let what = format!("ticket {ticket}, {}", event.error);
    tell(event, &events, timeline, &what);
}

#[listener]
fn sync_completed(event: &SyncCompleted, events: Events, timeline: &State<Timeline>) {
    let result = &event.result;
    let what = match &result.error {
        Some(error) => format!("the enumeration failed: {error}"),
        None => format!(
            "{} tickets: {} done, {} failed",
            result.total_count(),
            result.success_count,
            result.failure_count
        ),
    };
    tell(event, &events, timeline, &what);
}
