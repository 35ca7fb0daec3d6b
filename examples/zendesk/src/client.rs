//! The few calls of Zendesk's API that we make.

use std::time::Duration;

use events_std::oauth::{AccessToken, OAuthError};
use events_std::{
    ApiRequest, CheckFailure, FailureClass, Integration, IntegrationError, Integrations,
    MetadataError, RequestAttempt, RequestError,
};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;

use crate::event::Ticket;
use crate::provider::ZendeskMetadata;

/// The API as one integration sees it.
pub struct ZendeskClient<'i> {
    pub(crate) http: reqwest::Client,
    pub(crate) integrations: Integrations,
    pub(crate) integration: &'i Integration,
    pub(crate) metadata: ZendeskMetadata,
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

/// Why nothing came of a call. Its text holds no credentials.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum ZendeskError {
    /// The application has no service of integrations here.
    Integration(#[from] IntegrationError),
    /// There is no access token: nobody has connected the account, or it has to be authorized anew.
    Authorization(#[from] OAuthError),
    /// The integration's metadata does not fit.
    Metadata(#[from] MetadataError),
    /// No attempt succeeded. Where Zendesk asks for patience, an item whose listener returns this waits.
    Request(#[from] RequestError),
}

impl ZendeskClient<'_> {
    /// A page of the incremental export, the oldest change first.
    pub(crate) async fn tickets(&self, from: &From) -> Result<Page, ZendeskError> {
        let request = self
            .call("/api/v2/incremental/tickets/cursor.json", "GET")
            .await?;
        let request = match from {
            From::Time(time) => request.query("start_time", time),
            From::Cursor(cursor) => request.query("cursor", cursor),
        };
        let page = request.json().send(async |attempt| self.ask(attempt).await);
        Ok(page.await?)
    }

    /// Writes a comment below a ticket that only agents see.
    ///
    /// # Errors
    ///
    /// If Zendesk refuses, or does not answer.
    pub async fn comment(&self, ticket: u64, text: &str) -> Result<(), ZendeskError> {
        self.call(&format!("/api/v2/tickets/{ticket}.json"), "PUT")
            .await?
            .json_body(&json!({ "ticket": { "comment": { "body": text, "public": false } } }))
            .send(async |attempt| self.ask(attempt).await)
            .await?;
        Ok(())
    }

    /// Asks who we are. It goes past the engine, which counts what a check says by itself.
    pub(crate) async fn me(&self, token: &AccessToken) -> Result<(), CheckFailure> {
        let request = self.request(Method::GET, "/api/v2/users/me.json", token.secret());
        let answer = request.send().await.map_err(CheckFailure::upstream)?;
        let status = answer.status();
        match FailureClass::of_status(status.as_u16()) {
            None => Ok(()),
            Some(class) => Err(CheckFailure::new(
                class,
                format!("Zendesk answered {status}"),
            )),
        }
    }

    /// A call of which the engine records each attempt, with an access token that is fresh.
    async fn call(&self, endpoint: &str, method: &str) -> Result<ApiRequest<'_>, OAuthError> {
        let request = self
            .integrations
            .request(self.integration, endpoint, method);
        let request = request.classify(|error| {
            let error: &reqwest::Error = error.downcast_ref()?;
            (error.is_timeout() || error.is_connect()).then_some(FailureClass::Upstream)
        });
        request.authorized().await
    }

    /// One attempt of a call: the answer as the engine reads it.
    async fn ask(&self, attempt: RequestAttempt) -> reqwest::Result<http::Response<Vec<u8>>> {
        let method = Method::from_bytes(attempt.method().as_bytes()).unwrap_or_default();
        let token = attempt.access_token().unwrap_or_default();
        let mut request = self.request(method, attempt.endpoint(), token);
        if let (Some(body), Some(kind)) = (attempt.body(), attempt.content_type()) {
            request = request.header(CONTENT_TYPE, kind).body(body.to_vec());
        }
        let response = request.send().await?;
        let mut answer = http::Response::new(Vec::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        *answer.body_mut() = response.bytes().await?.into();
        Ok(answer)
    }

    fn request(&self, method: Method, endpoint: &str, token: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{endpoint}", self.metadata.url))
            .bearer_auth(token)
            .timeout(Duration::from_secs(30))
    }
}
