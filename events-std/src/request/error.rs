//! Why an API request failed for good.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use events_core::BoxError;

use super::IntegrationRequest;
use crate::error::RateLimited;
use crate::integration::{FailureClass, IntegrationError};

/// Why an API request came to nothing. Where the provider, or the integration's own rate limit, asks for patience,
/// [`RateLimited`] stands in its chain of sources: a listener of a per-item event that returns it with `?` defers its
/// item.
///
/// Its texts hold no secrets; the client's own error, behind [`FailedRequest::cause`], may.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The last attempt failed, and there was no other.
    #[error(transparent)]
    Failed(#[from] Box<FailedRequest>),
    /// The integration's own [rate limit](crate::Provider::rate_limit) is used up for longer than the call waits. This
    /// attempt was not made.
    #[error("the integration's rate limit is used up: no request was made")]
    Limited(#[source] RateLimited),
    /// The task has a transaction open, which would wait for another company.
    #[error(
        "this task has a transaction open: make the request before it begins or after it has ended, so that it never waits for another company"
    )]
    TransactionOpen,
    /// An attempt was made, but its record could not be stored: think before you repeat what is not idempotent.
    #[error("the {} attempt could not be recorded: {source}", if *.succeeded { "successful" } else { "failed" })]
    NotRecorded {
        /// Whether the attempt succeeded.
        succeeded: bool,
        /// What happened.
        source: IntegrationError,
    },
    /// The body could not be written as JSON. No request was made.
    #[error("the body cannot be written as JSON: {0}")]
    Body(#[source] serde_json::Error),
}

crate::error::debug_as_text!(RequestError);

impl RequestError {
    /// The last attempt, if one was made and failed.
    #[must_use]
    pub fn failed(&self) -> Option<&FailedRequest> {
        match self {
            Self::Failed(failed) => Some(failed),
            _ => None,
        }
    }

    /// The HTTP status of the last attempt, if that is why it failed.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.failed()?.request.response_code
    }

    /// Whose failure it was.
    #[must_use]
    pub fn class(&self) -> Option<FailureClass> {
        match self {
            Self::Failed(failed) => failed.request.failure_class,
            Self::Limited(_) => Some(FailureClass::Throttle),
            _ => None,
        }
    }

    /// The wait that the provider, or the integration's own rate limit, asks for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed(failed) => failed.retry_after,
            Self::Limited(limited) => Some(limited.wait()),
            _ => None,
        }
    }
}

/// A call whose last attempt failed.
pub struct FailedRequest {
    pub(super) request: IntegrationRequest,
    pub(super) attempts: u32,
    pub(super) retry_after: Option<Duration>,
    pub(super) limited: Option<RateLimited>,
    pub(super) cause: Option<BoxError>,
    pub(super) body: Option<Vec<u8>>,
}

impl FailedRequest {
    /// The record of the last attempt, as it is stored.
    #[must_use]
    pub fn request(&self) -> &IntegrationRequest {
        &self.request
    }

    /// How many attempts were made.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The client's own error, where there is one. It may hold secrets.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// The body of the answer as it came: it may hold secrets.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }
}

impl fmt::Display for FailedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        write!(f, "{} {} failed", request.method, request.endpoint)?;
        if self.attempts > 1 {
            write!(f, " after {} attempts", self.attempts)?;
        }
        match &request.error {
            Some(error) => write!(f, ": {}", error.message),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for FailedRequest {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedRequest")
            .field("request", &self.request)
            .field("attempts", &self.attempts)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

impl Error for FailedRequest {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (&self.limited, &self.cause) {
            (Some(limited), _) => Some(limited),
            (None, Some(cause)) => Some(&**cause),
            (None, None) => None,
        }
    }
}
