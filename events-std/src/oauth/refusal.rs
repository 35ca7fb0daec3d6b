//! What is refused: each reason has its status, is counted and is logged, without anything secret.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;
use tokio::task::JoinError;

use super::failure::code_or_unknown;
use super::{OAuthError, ProviderFailure};
use crate::integration::{IntegrationError, Integrations};

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    UnknownIntegration,
    /// The integration's provider has no OAuth.
    Incapable,
    /// The authorizer says no.
    NotAllowed,
    /// The page that is asked for is not of the allow list.
    UnknownPage,
    /// A parameter stands twice.
    Repeated,
    NoState,
    /// Unknown, or used already.
    UnknownState,
    ExpiredState,
    /// Begun in another browser.
    ForeignSession,
    WrongIssuer,
    /// The provider's `error=`.
    Denied(String),
    NoCode,
    /// A form of another site.
    ForeignOrigin,
    /// Another method than this.
    Method(Method),
    /// The provider did not do it, or its adapter.
    Provider(OAuthError),
    /// The client is not configured rightly, or the integration does not tell enough.
    Misconfigured(OAuthError),
    /// Our own failure.
    Failed(IntegrationError),
    /// A part of a provider, or the authorizer, panicked.
    Panicked,
}

impl From<IntegrationError> for Refusal {
    fn from(error: IntegrationError) -> Self {
        match error {
            IntegrationError::NotFound(_) => Self::UnknownIntegration,
            IntegrationError::Incapable { .. } | IntegrationError::UnknownProvider(_) => {
                Self::Incapable
            }
            // What the provider gave does not fit.
            error @ IntegrationError::Credentials(_) => Self::Provider(error.into()),
            error => Self::Failed(error),
        }
    }
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        match error {
            OAuthError::Integration(error) => error.into(),
            OAuthError::Panicked => Self::Panicked,
            error @ (OAuthError::Client(_)
            | OAuthError::Provider(ProviderFailure::Configuration(_))) => {
                Self::Misconfigured(error)
            }
            error => Self::Provider(error),
        }
    }
}

/// What ran in a task of its own fell over.
impl From<JoinError> for Refusal {
    fn from(_: JoinError) -> Self {
        Self::Panicked
    }
}

impl Refusal {
    /// The status, the word under which it is counted and logged, and what the browser is told.
    fn told(&self) -> (StatusCode, &'static str, &'static str) {
        let bad = |reason, told| (StatusCode::BAD_REQUEST, reason, told);
        let again = "the request to authorize is not known any more: begin anew";
        match self {
            Self::UnknownIntegration => (
                StatusCode::NOT_FOUND,
                "unknown_integration",
                "there is no such integration",
            ),
            Self::Incapable => bad("no_oauth", "the provider has no OAuth"),
            Self::NotAllowed => (
                StatusCode::FORBIDDEN,
                "not_allowed",
                "you may not do this with the integration",
            ),
            Self::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "foreign_origin",
                "the request comes from another site",
            ),
            Self::UnknownPage => bad("unknown_page", "the page to go on to is not known"),
            Self::Repeated => bad("repeated_parameter", "a parameter is repeated"),
            Self::NoState => bad("no_state", "the state is missing"),
            Self::UnknownState => bad("unknown_state", again),
            Self::ExpiredState => bad("expired_state", again),
            Self::ForeignSession => bad("foreign_session", again),
            Self::WrongIssuer => bad("wrong_issuer", "the answer is of another issuer"),
            Self::Denied(_) => bad("denied", "the provider did not authorize it"),
            Self::NoCode => bad("no_code", "the code is missing"),
            Self::Method(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "the method is not allowed",
            ),
            Self::Provider(_) => (
                StatusCode::BAD_GATEWAY,
                "provider",
                "the provider did not do it: try again later",
            ),
            Self::Misconfigured(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "configuration",
                "the connection to the provider is not configured rightly",
            ),
            Self::Failed(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "failed",
                "it could not be stored: try again later",
            ),
            Self::Panicked => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "panicked",
                "it was not done",
            ),
        }
    }

    /// What is logged beside the reason.
    fn detail(&self) -> Option<String> {
        match self {
            Self::Denied(code) => Some(code_or_unknown(code).to_owned()),
            Self::Provider(error) | Self::Misconfigured(error) => Some(error.to_string()),
            Self::Failed(error) => Some(error.to_string()),
            _ => None,
        }
    }

    /// Counts and logs it, and answers.
    pub(super) fn answer(&self, integrations: &Integrations, integration: Option<i64>) -> Response {
        let (status, reason, told) = self.told();
        integrations.count_refusal::<Refusal>(reason);
        tracing::warn!(
            integration,
            reason,
            status = status.as_u16(),
            detail = self.detail(),
            "a request of OAuth was refused"
        );
        let headers = [(header::CONTENT_TYPE, "application/json")];
        let mut answer = (status, headers, json!({ "error": told }).to_string()).into_response();
        if let Self::Method(allowed) = self {
            // RFC 9110, 15.5.6.
            if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
                answer.headers_mut().insert(header::ALLOW, allowed);
            }
        }
        answer
    }
}

impl Integrations {
    /// How many requests to the [routes](super::routes()) this process refused, by reason: for a monitor. Each was also
    /// logged, as a warning with its reason.
    ///
    /// | reason | what was wrong |
    /// |---|---|
    /// | `unknown_integration`, `no_oauth`, `unknown_page`, `repeated_parameter`, `method` | what is asked for |
    /// | `not_allowed`, `foreign_origin` | who asks |
    /// | `no_state`, `unknown_state`, `expired_state`, `foreign_session`, `wrong_issuer`, `no_code` | the way back |
    /// | `denied`, `provider` | the provider, or its adapter, did not do it |
    /// | `configuration` | the OAuth client, or what the integration tells of it: trying again does not help |
    /// | `failed`, `panicked` | on our side |
    #[must_use]
    pub fn oauth_refusals(&self) -> BTreeMap<&'static str, u64> {
        self.refusals::<Refusal>()
    }
}
