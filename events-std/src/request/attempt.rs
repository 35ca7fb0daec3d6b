//! What an attempt is told.

use std::fmt;
use std::sync::Arc;

/// One attempt of an API request, as the closure that makes it is told.
#[derive(Clone)]
pub struct RequestAttempt {
    pub(super) number: u32,
    pub(super) max: u32,
    pub(super) asked: Arc<Asked>,
}

/// What is asked for, in every attempt the same.
#[derive(Clone, Default)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) endpoint: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<Vec<u8>>,
    /// One that may be newer than those of the integration at hand: only with `oauth`.
    pub(super) access_token: Option<String>,
}

impl RequestAttempt {
    /// Its number, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How many there are at most.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.max
    }

    /// The integration's access token, where the request was [authorized](crate::ApiRequest::authorized).
    #[cfg(feature = "oauth-loopback")]
    #[must_use]
    pub fn access_token(&self) -> Option<&str> {
        self.asked.access_token.as_deref()
    }

    /// The method, as `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.asked.method
    }

    /// The endpoint, with its query: what a client puts behind the address of the provider.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.asked.endpoint
    }

    /// The same for all attempts of one call.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.asked.idempotency_key.as_deref()
    }

    /// What the body is, as `application/json`.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.asked.content_type.as_deref()
    }

    /// The body to send.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.asked.body.as_deref()
    }
}

impl fmt::Debug for RequestAttempt {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestAttempt({} of {})", self.number, self.max)
    }
}
