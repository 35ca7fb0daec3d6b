//! How a delivery becomes an event.

use events_core::{DispatchError, Event, Events};
use serde::Deserialize;
use serde_json::Value;

use super::events::{
    IssueChanged, NotUnderstood, OtherReceived, PullRequestChanged, Pushed, SecurityAlertRaised,
    Severity,
};

/// What every body may have; what it has besides depends on its kind.
#[derive(Deserialize)]
struct Body {
    action: Option<String>,
    repository: Option<Named>,
    sender: Option<Login>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Named {
    full_name: String,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

/// Why nobody understands a delivery.
#[derive(Debug, thiserror::Error)]
enum InputError {
    #[error("it has no `x-github-event`")]
    NoKind,
    #[error("the body of a `{kind}` is not what it should be: {error}")]
    Body {
        kind: String,
        error: serde_json::Error,
    },
    #[error("the body of a `{kind}` has no `{field}`")]
    Missing { kind: String, field: &'static str },
}

/// A delivery as the event it is.
pub(super) enum Happening {
    Push(Pushed),
    Issue(IssueChanged),
    PullRequest(PullRequestChanged),
    Security(SecurityAlertRaised),
    Other(OtherReceived),
    NotUnderstood(NotUnderstood),
}

impl Happening {
    /// What has happened, by the header that says so and the body that tells more.
    pub(super) fn of(kind: Option<&str>, body: &[u8]) -> Self {
        Self::understand(kind, body).unwrap_or_else(|error| {
            let error = error.to_string();
            Self::NotUnderstood(NotUnderstood { error })
        })
    }

    fn understand(kind: Option<&str>, body: &[u8]) -> Result<Self, InputError> {
        let kind = kind.ok_or(InputError::NoKind)?.to_owned();
        let body = serde_json::from_slice(body);
        let body: Body = body.map_err(|error| InputError::Body {
            kind: kind.clone(),
            error,
        })?;
        let missing = |field| InputError::Missing {
            kind: kind.clone(),
            field,
        };
        let repository = || {
            let repository = body.repository.as_ref().ok_or(missing("repository"))?;
            Ok(repository.full_name.clone())
        };
        let sender = || {
            let sender = body.sender.as_ref().ok_or(missing("sender"))?;
            Ok(sender.login.clone())
        };
        let action = || body.action.clone().ok_or(missing("action"));
        Ok(match &*kind {
            "push" => Self::Push(Pushed {
                repository: repository()?,
                reference: text(&body, &["ref"]).ok_or(missing("ref"))?,
                commits: body
                    .rest
                    .get("commits")
                    .and_then(Value::as_array)
                    .map_or(0, Vec::len),
                sender: sender()?,
            }),
            "issues" => Self::Issue(IssueChanged {
                repository: repository()?,
                action: action()?,
                number: number(&body, &["issue", "number"]).ok_or(missing("issue.number"))?,
                title: text(&body, &["issue", "title"]).ok_or(missing("issue.title"))?,
                sender: sender()?,
            }),
            "pull_request" => Self::PullRequest(PullRequestChanged {
                repository: repository()?,
                action: action()?,
                number: number(&body, &["number"]).ok_or(missing("number"))?,
                sender: sender()?,
            }),
            "code_scanning_alert"
            | "dependabot_alert"
            | "repository_vulnerability_alert"
            | "security_advisory" => Self::Security(SecurityAlertRaised {
                action: action()?,
                severity: severity(&body),
                source: kind,
            }),
            _ => Self::Other(OtherReceived {
                action: body.action,
                kind,
            }),
        })
    }

    pub(super) async fn dispatch(&self, events: &Events) -> Result<(), DispatchError> {
        match self {
            Self::Push(event) => dispatch(events, event).await,
            Self::Issue(event) => dispatch(events, event).await,
            Self::PullRequest(event) => dispatch(events, event).await,
            Self::Security(event) => dispatch(events, event).await,
            Self::Other(event) => dispatch(events, event).await,
            Self::NotUnderstood(event) => dispatch(events, event).await,
        }
    }
}

async fn dispatch(events: &Events, event: &impl Event<Response = ()>) -> Result<(), DispatchError> {
    events.dispatch(event).await.map(drop)
}

fn find<'b>(body: &'b Body, path: &[&str]) -> Option<&'b Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(body.rest.get(*first)?, |value, key| value.get(key))
}

fn text(body: &Body, path: &[&str]) -> Option<String> {
    find(body, path)?.as_str().map(str::to_owned)
}

fn number(body: &Body, path: &[&str]) -> Option<u64> {
    find(body, path)?.as_u64()
}

/// The severity, wherever this kind of alert has it.
fn severity(body: &Body) -> Severity {
    let paths: [&[&str]; 4] = [
        &["security_advisory", "severity"],
        &["alert", "security_advisory", "severity"],
        &["alert", "rule", "security_severity_level"],
        &["alert", "severity"],
    ];
    let found = paths.iter().find_map(|path| text(body, path));
    match found.as_deref() {
        Some("low") => Severity::Low,
        Some("medium" | "moderate") => Severity::Medium,
        Some("high" | "critical") => Severity::High,
        _ => Severity::Unknown,
    }
}
