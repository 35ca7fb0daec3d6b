//! What is done about it. Nothing lists these functions: being linked is enough.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use events_core::{AnyEvent, Attempt, Delivery, JobFailure, State, listener};
use events_std::{Provider, WebhookReceived};

use super::events::{
    InRepository, IssueChanged, NotUnderstood, OtherReceived, PullRequestChanged, Pushed,
    SecurityAlertRaised,
};
use super::provider::Hub;
use super::report::Reporter;

/// What the engine announces when a delivery of ours is stored. The timeline tells of each already: the table shall too.
#[listener(WebhookReceived, when = is_ours)]
fn count_delivery(_: &WebhookReceived, reporter: Reporter<'_>) {
    reporter.count("count_delivery");
}

fn is_ours(event: &WebhookReceived) -> bool {
    event.provider_key == Hub::KEY
}

/// A plain function that hears one type.
#[listener(Pushed)]
fn print_push(event: &Pushed, reporter: Reporter<'_>) {
    reporter.heard(
        "print_push",
        format_args!("{} commits to {}", event.commits, event.reference),
    );
}

/// One that hears only some of its events.
#[listener(IssueChanged, when = is_opened)]
fn welcome(event: &IssueChanged, reporter: Reporter<'_>) {
    let line = format!(
        "#{} {:?}: welcome, {}",
        event.number, event.title, event.sender
    );
    reporter.heard("welcome", line);
}

fn is_opened(event: &IssueChanged) -> bool {
    event.action == "opened"
}

/// A pull request that is locked cannot be put on the board: what a failing listener looks like. The others run.
#[listener(PullRequestChanged)]
fn move_on_board(event: &PullRequestChanged, reporter: Reporter<'_>) -> Result<(), BoardError> {
    if event.action == "locked" {
        return Err(BoardError::Locked(event.number));
    }
    let line = format!("#{} is {}", event.number, event.action);
    reporter.heard("move_on_board", line);
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum BoardError {
    #[error("pull request #{0} is locked")]
    Locked(u64),
}

/// Who sent how many events.
#[derive(Default)]
pub(crate) struct Contributors(Mutex<BTreeMap<String, u32>>);

impl Contributors {
    /// The number of this sender's events, this one included.
    async fn add(&self, sender: &str) -> u32 {
        // A database would be asked here.
        tokio::task::yield_now().await;
        let mut known = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = known.entry(sender.to_owned()).or_default();
        *count += 1;
        *count
    }
}

/// An async function that hears several types.
#[listener(Pushed, IssueChanged, PullRequestChanged, priority = 10)]
async fn count_contributor(
    event: &dyn AnyEvent,
    contributors: &State<Contributors>,
    reporter: Reporter<'_>,
) {
    let sender = match (
        event.downcast_ref::<Pushed>(),
        event.downcast_ref::<IssueChanged>(),
        event.downcast_ref::<PullRequestChanged>(),
    ) {
        (Some(push), ..) => &push.sender,
        (_, Some(issue), _) => &issue.sender,
        (.., Some(request)) => &request.sender,
        _ => return,
    };
    let count = contributors.add(sender).await;
    reporter.heard(
        "count_contributor",
        format_args!("event {count} of {sender}"),
    );
}

/// One that hears a category.
#[listener(dyn InRepository)]
fn note_repository(event: &dyn InRepository, reporter: Reporter<'_>) {
    reporter.heard("note_repository", event.repository());
}

/// One that hears every event whose name matches.
#[listener("github.*", priority = -100)]
fn audit(event: &dyn AnyEvent, delivery: Delivery, reporter: Reporter<'_>) {
    let line = match event.downcast_ref::<OtherReceived>() {
        Some(OtherReceived {
            kind,
            action: Some(action),
        }) => format!("{kind} {action}"),
        Some(OtherReceived { kind, action: None }) => kind.clone(),
        None => event.name().to_owned(),
    };
    reporter.heard("audit", format_args!("{line}, delivery {}", delivery.id));
}

/// A delivery that nobody understands is kept: `webhooks replay` hands it to a later version of the program.
#[listener(NotUnderstood)]
fn set_aside(event: &NotUnderstood, reporter: Reporter<'_>) {
    reporter.heard("set_aside", &event.error);
}

/// The pager is busy when it is called first.
#[derive(Default)]
pub(crate) struct Pager(AtomicBool);

#[derive(Debug, thiserror::Error)]
#[error("the pager is busy")]
pub(crate) struct Busy;

impl Pager {
    async fn page(&self) -> Result<(), Busy> {
        tokio::task::yield_now().await;
        let called_before = self.0.swap(true, Ordering::Relaxed);
        called_before.then_some(()).ok_or(Busy)
    }
}

/// A queued one: its job is pushed by the dispatch, and runs, with its own attempts, from the queue.
#[listener(SecurityAlertRaised, queue = "alerts", tries = 5, backoff = ["100ms", "1s"], failed = give_up)]
async fn page_on_call(
    event: &SecurityAlertRaised,
    pager: &State<Pager>,
    attempt: Attempt,
    reporter: Reporter<'_>,
) -> Result<(), Busy> {
    if let Err(busy) = pager.page().await {
        reporter.missed(
            "page_on_call",
            format_args!("attempt {}: {busy}", attempt.number),
        );
        return Err(busy);
    }
    let line = format!(
        "paged about {}, {}: {:?}",
        event.source, event.action, event.severity
    );
    reporter.heard("page_on_call", line);
    Ok(())
}

fn give_up(_: &SecurityAlertRaised, failure: &JobFailure, reporter: Reporter<'_>) {
    reporter.tell("give_up", format_args!("nobody was paged: {failure}"));
}
