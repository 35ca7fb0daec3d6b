//! The few calls of Zendesk's API that we make.

use std::time::Duration;

use events_std::{CredentialsError, FailureClass, RateLimited};
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::event::Ticket;
use crate::provider::{ZendeskCredentials, ZendeskMetadata};

/// The API as one integration sees it.
pub struct ZendeskClient {
    http: reqwest::Client,
    credentials: ZendeskCredentials,
    metadata: ZendeskMetadata,
}

/// Where an export of tickets begins.
pub(crate) enum From {
    /// With what changed at this time or later, in seconds since 1970.
    Time(i64),
    /// Behind the page that told this cursor.
    Cursor(String),
}

/// A page of tickets.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) after_cursor: Option<String>,
    pub(crate) end_of_stream: bool,
}

/// Why a call failed. It holds no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZendeskError {
    /// The integration's credentials do not fit.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The integration's metadata does not fit.
    #[error("the metadata is not what Zendesk needs: {0}")]
    Metadata(#[from] serde_json::Error),
    /// There was no answer, or none that can be read.
    #[error("Zendesk gave no answer that we understand: {}", root(.0))]
    Answer(#[from] reqwest::Error),
    /// Zendesk refused.
    #[error("Zendesk answered {0}")]
    Status(StatusCode),
    /// Zendesk asks for fewer requests. As a source of the error of an item's listener it lets the item wait.
    #[error("Zendesk answered 429")]
    Limited(#[source] RateLimited),
}

impl ZendeskError {
    /// Whose failure it was.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Answer(error) if error.is_connect() || error.is_timeout() => {
                FailureClass::Upstream
            }
            Self::Status(status) if status.is_server_error() => match *status {
                StatusCode::NOT_IMPLEMENTED => FailureClass::Unknown,
                _ => FailureClass::Upstream,
            },
            Self::Limited(_) => FailureClass::Throttle,
            Self::Credentials(_) | Self::Metadata(_) | Self::Status(_) => FailureClass::Client,
            Self::Answer(_) => FailureClass::Unknown,
        }
    }
}

/// What is at the bottom of an error: the rest only says that a request failed.
fn root(error: &reqwest::Error) -> String {
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

impl ZendeskClient {
    pub(crate) fn new(
        http: reqwest::Client,
        credentials: ZendeskCredentials,
        metadata: ZendeskMetadata,
    ) -> Self {
        Self {
            http,
            credentials,
            metadata,
        }
    }

    /// A page of the incremental export, the oldest change first.
    pub(crate) async fn tickets(&self, from: &From) -> Result<Page, ZendeskError> {
        let request = self
            .http
            .get(self.url("/api/v2/incremental/tickets/cursor.json"));
        let request = match from {
            From::Time(time) => request.query(&[("start_time", time)]),
            From::Cursor(cursor) => request.query(&[("cursor", cursor)]),
        };
        Ok(self.send(request).await?.json().await?)
    }

    /// Asks who we are: a call that changes nothing.
    ///
    /// # Errors
    ///
    /// If Zendesk does not know us, or does not answer.
    pub async fn me(&self) -> Result<(), ZendeskError> {
        let request = self.http.get(self.url("/api/v2/users/me.json"));
        let _: Value = self.send(request).await?.json().await?;
        Ok(())
    }

    /// Writes a comment below a ticket that only agents see.
    ///
    /// # Errors
    ///
    /// If Zendesk refuses, or does not answer.
    pub async fn comment(&self, ticket: u64, text: &str) -> Result<(), ZendeskError> {
        let request = self
            .http
            .put(self.url(&format!("/api/v2/tickets/{ticket}.json")));
        let body = json!({ "ticket": { "comment": { "body": text, "public": false } } });
        self.send(request.json(&body)).await?;
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.metadata.url)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ZendeskError> {
        let ZendeskCredentials { email, token } = &self.credentials;
        let request = request
            .basic_auth(format!("{email}/token"), Some(token))
            .timeout(Duration::from_secs(30));
        let response = request.send().await?;
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS => {
                let wait = response.headers().get(RETRY_AFTER);
                let seconds = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
                let wait = Duration::from_secs(seconds.unwrap_or(60));
                Err(ZendeskError::Limited(RateLimited::retry_after(wait)))
            }
            status if status.is_success() => Ok(response),
            status => Err(ZendeskError::Status(status)),
        }
    }
}
