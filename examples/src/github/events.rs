//! What can happen: some deliveries have a type of their own, all others are an [`OtherReceived`].

use events_core::{AnyEvent, Event, category};
use serde::Deserialize;

/// An event in a repository.
#[category]
pub(crate) trait InRepository: AnyEvent {
    /// The repository's full name: `owner/name`.
    fn repository(&self) -> &str;
}

/// Commits, or a tag, were pushed.
#[derive(Clone, Debug, Event)]
#[event(name = "github.push", extends(InRepository))]
pub(crate) struct Pushed {
    pub(crate) repository: String,
    pub(crate) reference: String,
    pub(crate) commits: usize,
    pub(crate) sender: String,
}

/// An issue was opened, labelled, closed, or otherwise changed.
#[derive(Clone, Debug, Event)]
#[event(name = "github.issue", extends(InRepository))]
pub(crate) struct IssueChanged {
    pub(crate) repository: String,
    pub(crate) action: String,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) sender: String,
}

/// A pull request was opened, reviewed, closed, or otherwise changed.
#[derive(Clone, Debug, Event)]
#[event(name = "github.pull_request", extends(InRepository))]
pub(crate) struct PullRequestChanged {
    pub(crate) repository: String,
    pub(crate) action: String,
    pub(crate) number: u64,
    pub(crate) sender: String,
}

/// Something about security wants a person. Durable: the listener that pages somebody is queued.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "github.security_alert")]
pub(crate) struct SecurityAlertRaised {
    pub(crate) source: String,
    pub(crate) action: String,
    pub(crate) severity: Severity,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Low,
    Medium,
    High,
    Unknown,
}

/// A delivery that has no type of its own here.
#[derive(Clone, Debug, Event)]
#[event(name = "github.other")]
pub(crate) struct OtherReceived {
    pub(crate) kind: String,
    pub(crate) action: Option<String>,
}

/// A delivery is genuine, but not what one of its kind holds.
#[derive(Clone, Debug, Event)]
#[event(name = "github.not_understood")]
pub(crate) struct NotUnderstood {
    pub(crate) error: String,
}

macro_rules! in_repository {
    ($($event:ty),*) => {
        $(impl InRepository for $event {
            fn repository(&self) -> &str {
                &self.repository
            }
        })*
    };
}
in_repository!(Pushed, IssueChanged, PullRequestChanged);
