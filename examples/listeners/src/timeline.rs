//! What is told while it happens, a line for each event but those of single tickets, of which there are many.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use events_core::{AnyEvent, BoxError, Context, FromContext, Needs, State, listener};
use events_std::{
    IntegrationCreated, IntegrationDisabled, IntegrationHealthChanged, IntegrationSynced,
    OAuthCompleted, OAuthRevoked, OperationCompleted, OperationFailed, OperationStarted,
    SyncCompleted, SyncItemFailed, WebhookReceived,
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

    /// A line about a failure: on the standard error, where nothing else is told.
    pub fn failure(&self, at: DateTime<Utc>, who: &str, what: &str) {
        if self.aloud {
            self.line(at, who, what);
        } else {
            eprintln!("{who}: {what}");
        }
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

/// How a listener tells of its event: an argument that it asks for.
pub struct Teller<'a> {
    event: &'a dyn AnyEvent,
    at: DateTime<Utc>,
    timeline: &'a Timeline,
}

impl<'a> FromContext<'a> for Teller<'a> {
    fn needs(needs: &mut Needs) {
        needs.state::<Timeline>();
    }

    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        let timeline: &State<Timeline> = cx.state().ok_or("there is no timeline")?;
        Ok(Self {
            event: cx.event(),
            at: cx.events().now(),
            timeline,
        })
    }
}

impl Teller<'_> {
    /// A line about the event.
    pub fn tell(&self, what: &str) {
        self.timeline.line(self.at, self.event.name(), what);
    }

    /// A line about what somebody does about it.
    pub fn tell_of(&self, who: &str, what: &str) {
        self.timeline.line(self.at, who, what);
    }
}

#[listener]
fn created(event: &IntegrationCreated, teller: Teller<'_>) {
    let integration = &event.integration;
    let what = format!("`{}` of {}", integration.name, integration.provider);
    teller.tell(&what);
}

#[listener]
fn connected(event: &OAuthCompleted, teller: Teller<'_>) {
    let what = format!("`{}` is authorized", event.integration.name);
    teller.tell(&what);
}

#[listener]
fn disconnected(event: &OAuthRevoked, teller: Teller<'_>) {
    let what = format!("`{}` has no token any more", event.integration.name);
    teller.tell(&what);
}

#[listener]
fn synced(event: &IntegrationSynced, teller: Teller<'_>) {
    let what = match event.integration.next_sync_at {
        Some(next) => format!("up to date, next sync at {}", next.format("%H:%M:%S")),
        None => "up to date".to_owned(),
    };
    teller.tell(&what);
}

#[listener]
fn health_changed(event: &IntegrationHealthChanged, teller: Teller<'_>) {
    let what = format!("{} -> {}", event.previous_status, event.new_status);
    teller.tell(&what);
}

#[listener]
fn disabled(event: &IntegrationDisabled, teller: Teller<'_>) {
    let failures = event.integration.consecutive_failures;
    let what = format!("after {failures} failures in a row; only an operator enables it again");
    teller.tell(&what);
}

#[listener]
fn started(event: &OperationStarted, teller: Teller<'_>) {
    teller.tell(&event.log.operation);
}

#[listener]
fn completed(event: &OperationCompleted, teller: Teller<'_>) {
    teller.tell(&event.log.operation);
}

#[listener]
fn failed(event: &OperationFailed, teller: Teller<'_>) {
    let error = event.log.error.as_deref().unwrap_or_default();
    let what = format!("{}: {error}", event.log.operation);
    teller.tell(&what);
}

#[listener]
fn item_failed(event: &SyncItemFailed, teller: Teller<'_>) {
    let ticket = event.item.external_id.as_deref().unwrap_or("?");
    let what = format!("ticket {ticket}, {}", event.error);
    teller.tell(&what);
}

#[listener]
fn received(event: &WebhookReceived, teller: Teller<'_>) {
    let kind = event.event_type.as_deref().unwrap_or("of no kind");
    let delivery = &event.provider_delivery_id;
    teller.tell(&format!("{kind}, delivery {delivery}"));
}

#[listener]
fn sync_completed(event: &SyncCompleted, teller: Teller<'_>) {
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
    teller.tell(&what);
}
