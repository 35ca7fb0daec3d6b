//! What is not accepted: each reason has its status, is counted and is logged, without anything secret.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use events_core::BoxError;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::task::JoinError;

use super::Refused;
use crate::integration::{IntegrationError, Integrations};

/// Why a request is not accepted.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Its headers are too many, or too large.
    HeadersTooLarge,
    /// Its body is larger than is read.
    TooLarge,
    /// Its body took too long.
    TooSlow,
    /// Its body broke off.
    BrokenOff,
    UnknownProvider,
    /// The provider has no webhooks.
    Incapable,
    /// There is no such active integration of the provider.
    UnknownIntegration,
    /// Without an id in the path, too many could be meant.
    TooManyCandidates,
    NotGenuine(Refused),
    /// The provider made no verifier of the integration.
    NoVerifier(BoxError),
    /// The secrets of two integrations verify it.
    Ambiguous,
    /// The provider does not answer this challenge.
    NoAnswer,
    /// Neither a `POST` nor a `GET`.
    Method,
    /// Our own failure.
    Failed(IntegrationError),
    /// A verifier, or another part of a provider, panicked.
    Panicked,
}

impl From<IntegrationError> for Refusal {
    fn from(error: IntegrationError) -> Self {
        Self::Failed(error)
    }
}

/// What ran in a task of its own fell over.
impl From<JoinError> for Refusal {
    fn from(_: JoinError) -> Self {
        Self::Panicked
    }
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff | Self::Incapable | Self::TooManyCandidates => StatusCode::BAD_REQUEST,
            Self::UnknownProvider | Self::UnknownIntegration => StatusCode::NOT_FOUND,
            Self::NotGenuine(_) | Self::NoVerifier(_) | Self::Ambiguous | Self::NoAnswer => {
                StatusCode::FORBIDDEN
            }
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word under which it is counted and logged.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::HeadersTooLarge => "headers_too_large",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::BrokenOff => "broken_off",
            Self::UnknownProvider => "unknown_provider",
            Self::Incapable => "no_webhooks",
            Self::UnknownIntegration => "unknown_integration",
            Self::TooManyCandidates => "too_many_candidates",
            Self::NotGenuine(refused) => refused.as_str(),
            Self::NoVerifier(_) => "no_verifier",
            Self::Ambiguous => "ambiguous",
            Self::NoAnswer => "no_answer",
            Self::Method => "method",
            Self::Failed(_) => "failed",
            Self::Panicked => "panicked",
        }
    }

    /// What the sender is told: nothing that helps to forge.
    fn told(&self) -> &'static str {
        match self {
            Self::HeadersTooLarge => "there are more than 100 headers, or more than 32 KiB of them",
            Self::TooLarge => "the body is larger than 1 MiB",
            Self::TooSlow => "the body took too long",
            Self::BrokenOff => "the body broke off",
            Self::UnknownProvider => "there is no such provider",
            Self::Incapable => "the provider has no webhooks",
            Self::UnknownIntegration => "there is no such integration",
            Self::TooManyCandidates => {
                "too many integrations could be meant: put the id into the path, /{provider}/{id}/webhook"
            }
            Self::NotGenuine(_) | Self::NoVerifier(_) | Self::Ambiguous => {
                "the delivery is not verified"
            }
            Self::NoAnswer => "the challenge is not answered",
            Self::Method => "deliver with POST",
            Self::Failed(_) | Self::Panicked => "the delivery was not stored: send it again",
        }
    }

    /// What is logged beside the reason.
    fn detail(&self) -> Option<String> {
        match self {
            Self::NotGenuine(refused) => Some(refused.to_string()),
            Self::NoVerifier(error) => Some(error.to_string()),
            Self::Failed(error) => Some(error.to_string()),
            _ => None,
        }
    }

    /// Counts and logs it, and answers.
    pub(super) fn answer(&self, integrations: &Integrations, asked: &Asked) -> Response {
        let reason = self.reason();
        integrations.count_refusal::<Refusal>(reason);
        let status = self.status();
        tracing::warn!(
            provider = asked.provider.as_deref(),
            integration = asked.integration,
            reason,
            status = status.as_u16(),
            detail = self.detail(),
            "a webhook was refused"
        );
        let mut answer = answer(status, &json!({ "error": self.told() }));
        if matches!(self, Self::Method) {
            // RFC 9110, 15.5.6.
            let allowed = HeaderValue::from_static("GET, POST");
            answer.headers_mut().insert(header::ALLOW, allowed);
        }
        answer
    }
}

/// JSON.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, body.to_string()).into_response()
}

/// Whom a request names, as far as it is one of ours: what a stranger makes up is not logged.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) provider: Option<String>,
    pub(super) integration: Option<i64>,
}

impl Integrations {
    /// How many requests to the [routes](super::routes()) this process refused, by reason: for a monitor. Each was also
    /// logged, as a warning with its reason.
    ///
    /// | reason | what was wrong |
    /// |---|---|
    /// | `headers_too_large` | the headers |
    /// | `too_large`, `too_slow`, `broken_off` | the body |
    /// | `unknown_provider`, `no_webhooks`, `unknown_integration`, `too_many_candidates` | whom the path names |
    /// | `missing_header`, `malformed_header`, `outdated`, `wrong_signature`, `not_genuine` | the sender's proof |
    /// | `no_verifier`, `unfit_secret`, `misconfigured`, `ambiguous` | our secrets and verifiers: nothing is accepted until somebody mends them |
    /// | `no_answer`, `method` | a challenge, or the method |
    /// | `failed`, `panicked` | on our side: the sender is told to come again |
    #[must_use]
    pub fn webhook_refusals(&self) -> BTreeMap<&'static str, u64> {
        self.refusals::<Refusal>()
    }
}
