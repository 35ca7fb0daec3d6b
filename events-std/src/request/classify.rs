//! Whose failure it was.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;

use events_core::BoxError;

use super::answer::Answer;
use crate::error::{RateLimited, sources};
use crate::integration::{FailureClass, IntegrationsBuilder};

/// What the application knows of its clients' errors.
type Classifies = dyn Fn(&(dyn Error + 'static)) -> Option<FailureClass> + Send + Sync;

/// The judgement of errors, where there is one beyond the default.
#[derive(Clone, Default)]
pub(super) struct Classifier(pub(super) Option<Arc<Classifies>>);

impl Classifier {
    pub(super) fn new(
        classify: impl Fn(&(dyn Error + 'static)) -> Option<FailureClass> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(classify)))
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Classifier(..)")
    }
}

impl IntegrationsBuilder {
    /// Tells whose failure an error of a client is, for all API requests: it is asked about the error and then about
    /// each of its [sources](Error::source), until it knows. Where it knows nothing, and without it, broken
    /// connections and timeouts of [`std::io::Error`] and of `tokio` are the provider's, and all other errors
    /// [unknown](FailureClass::Unknown): neither tried again nor counted for the health.
    ///
    /// So a client whose timeouts are of a type of its own needs this, as `reqwest`, whose `TimedOut` is private, and whose
    /// broken connections are not always an [`std::io::Error`] behind:
    ///
    /// ```
    /// # mod reqwest {
    /// #     #[derive(Debug, thiserror::Error)]
    /// #     #[error("it failed")]
    /// #     pub struct Error;
    /// #     impl Error {
    /// #         pub fn is_timeout(&self) -> bool { true }
    /// #         pub fn is_connect(&self) -> bool { true }
    /// #     }
    /// # }
    /// # fn build(store: &events_std::Store) -> Result<(), events_std::StartError> {
    /// use events_std::{FailureClass, Integrations};
    ///
    /// let integrations = Integrations::builder(store)
    ///     .classify_requests(|error| {
    ///         let error: &reqwest::Error = error.downcast_ref()?;
    ///         (error.is_timeout() || error.is_connect()).then_some(FailureClass::Upstream)
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn classify_requests(
        self,
        classify: impl Fn(&(dyn Error + 'static)) -> Option<FailureClass> + Send + Sync + 'static,
    ) -> Self {
        self.part(Classifier::new(classify))
    }
}

/// Why an attempt failed.
pub(super) struct Fault {
    pub(super) class: FailureClass,
    /// In a word.
    pub(super) kind: &'static str,
    /// As it was said: it may hold secrets.
    pub(super) message: String,
    /// The client's own error.
    pub(super) cause: Option<BoxError>,
}

impl Fault {
    /// Of an answer; none: the status is none of a failure.
    pub(super) fn of_status(answer: &Answer) -> Option<Self> {
        let status = answer.status?;
        let class = FailureClass::of_status(status)?;
        let code = http::StatusCode::from_u16(status).ok();
        let reason = code.and_then(|code| code.canonical_reason());
        Some(Self {
            class,
            kind: match class {
                FailureClass::Throttle => "rate_limit",
                _ => "status",
            },
            message: match reason {
                Some(reason) => format!("the answer was {status} {reason}"),
                None => format!("the answer was {status}"),
            },
            cause: None,
        })
    }

    /// Of a body that is not what was asked for.
    pub(super) fn of_decoding(error: serde_json::Error) -> Self {
        Self {
            class: FailureClass::Unknown,
            kind: "decode",
            message: format!("the answer could not be decoded: {}", place(&error)),
            cause: Some(error.into()),
        }
    }

    /// Of a client's error, as the classifiers see it, the first that knows it.
    pub(super) fn of_error(error: BoxError, classifiers: &[Classifier]) -> Self {
        let (class, kind) = classify(&*error, classifiers);
        Self {
            class,
            kind,
            message: chain(&*error),
            cause: Some(error),
        }
    }
}

/// What is wrong with JSON, without what serde cites of it.
fn place(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "it is not of the type that was asked for",
        serde_json::error::Category::Eof => "it ends too early",
        _ => "it is no JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// An error and what it comes from. What repeats is said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for error in sources(error) {
        let said = error.to_string();
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}

fn classify(
    error: &(dyn Error + 'static),
    classifiers: &[Classifier],
) -> (FailureClass, &'static str) {
    let told = classifiers
        .iter()
        .filter_map(|classifier| classifier.0.as_deref())
        .find_map(|classify| sources(error).find_map(classify));
    let found = sources(error).find_map(known);
    match (told, found) {
        (Some(class), Some((same, kind))) if class == same => (class, kind),
        (Some(FailureClass::Throttle), _) => (FailureClass::Throttle, "rate_limit"),
        (Some(class), _) => (class, "error"),
        (None, Some(found)) => found,
        (None, None) => (FailureClass::Unknown, "error"),
    }
}

/// What is known without the application.
fn known(error: &(dyn Error + 'static)) -> Option<(FailureClass, &'static str)> {
    if error.is::<RateLimited>() {
        return Some((FailureClass::Throttle, "rate_limit"));
    }
    if error.is::<tokio::time::error::Elapsed>() {
        return Some((FailureClass::Upstream, "timeout"));
    }
    let kind = match error.downcast_ref::<std::io::Error>()?.kind() {
        ErrorKind::TimedOut => "timeout",
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::NotConnected
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => "connection",
        _ => return None,
    };
    Some((FailureClass::Upstream, kind))
}
