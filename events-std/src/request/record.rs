//! The record of one attempt of an API request.

use chrono::{DateTime, Utc};
use events_core::Model;

use crate::integration::FailureClass;

/// One attempt of an API request to a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegrationRequest {
    /// The row's id; 0 before the insert.
    pub id: i64,
    /// The integration that asked.
    pub integration_id: i64,
    /// What was asked for, as `/api/v2/tickets`.
    pub endpoint: String,
    /// The HTTP method, as `GET`.
    pub method: String,
    /// The body that was sent: up to a limit, secrets redacted.
    pub request_data: Option<String>,
    /// What makes repeats of the same call recognisable to the provider.
    pub idempotency_key: Option<String>,
    /// The provider's own id of this request.
    pub provider_request_id: Option<String>,
    /// The id of the first attempt of the same call, where this is a later one.
    pub retry_of: Option<i64>,
    /// The HTTP status of the answer.
    pub response_code: Option<u16>,
    /// The body of the answer: up to a limit, secrets redacted.
    pub response_data: Option<String>,
    /// Whether the attempt succeeded.
    pub response_success: bool,
    /// What went wrong.
    pub error: Option<RequestFailure>,
    /// How long the attempt took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Whose failure it was.
    pub failure_class: Option<FailureClass>,
    /// When the row was inserted.
    pub created_at: DateTime<Utc>,
    /// When the row was last changed.
    pub updated_at: DateTime<Utc>,
}

impl IntegrationRequest {
    /// A first attempt that is not stored and has no answer: not a success, everything optional unset. `id` is 0 and
    /// both timestamps are the Unix epoch.
    #[must_use]
    pub fn new(
        integration_id: i64,
        method: impl Into<String>,
        endpoint: impl Into<String>,
    ) -> Self {
        Self {
            id: 0,
            integration_id,
            endpoint: endpoint.into(),
            method: method.into(),
            request_data: None,
            idempotency_key: None,
            provider_request_id: None,
            retry_of: None,
            response_code: None,
            response_data: None,
            response_success: false,
            error: None,
            duration_ms: None,
            failure_class: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }
}

impl Model for IntegrationRequest {
    const NAME: &'static str = "integration_request";
    type Key = i64;

    fn key(&self) -> i64 {
        self.id
    }
}

/// What went wrong in one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFailure {
    /// The kind of error, in a word.
    pub kind: String,
    /// What the error said. No secrets.
    pub message: String,
}
