//! What is said of a call before it is made.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use events_core::BoxError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{Answer, ApiResponse};
use super::attempt::{Asked, RequestAttempt};
use super::classify::{Classifier, Fault};
use super::drive::Attempted;
use super::error::RequestError;
use super::wait::PATIENCE;
use crate::integration::{FailureClass, Integration, Integrations};

/// An API request of an integration: made by a client that the application chooses, recorded here. Made by
/// [`Integrations::request`].
#[must_use = "a request is made by `send` or `call`"]
pub struct ApiRequest<'i> {
    pub(super) engine: &'i Integrations,
    pub(super) integration: &'i Integration,
    pub(super) asked: Asked,
    pub(super) attempts: u32,
    pub(super) patience: Duration,
    pub(super) classifier: Classifier,
    body_error: Option<serde_json::Error>,
}

impl Integrations {
    /// An API request of this integration: what it asks for, as `/api/v2/tickets`, and the HTTP method.
    ///
    /// The closure given to [`send`](ApiRequest::send) makes one attempt, with whatever client it likes. Each attempt
    /// is recorded as one [`IntegrationRequest`](crate::IntegrationRequest), together with what it changes of the
    /// integration's health, and fires [`RequestCompleted`](crate::RequestCompleted) or
    /// [`RequestFailed`](crate::RequestFailed), before any event of the health. An attempt whose future is dropped, or
    /// panics, is not recorded.
    ///
    /// A `GET` is attempted 3 times at most, everything else once; only failures of the provider
    /// ([`Upstream`](FailureClass::Upstream)) and [throttles](FailureClass::Throttle) are tried again, after the wait
    /// that the provider's `Retry-After` asks for, else after 0.5 s and twice as long each time.
    ///
    /// ```no_run
    /// # async fn run(
    /// #     integrations: events_std::Integrations,
    /// #     integration: events_std::Integration,
    /// #     get: impl AsyncFn(&str) -> Result<http::Response<Vec<u8>>, std::io::Error>,
    /// # ) -> Result<(), events_std::RequestError> {
    /// #[derive(serde::Deserialize)]
    /// struct Page {
    ///     tickets: Vec<u64>,
    /// }
    ///
    /// let page: Page = integrations
    ///     .request(&integration, "/api/v2/tickets", "GET")
    ///     .query("page", 2)
    ///     .json::<Page>()
    ///     .send(async |attempt| get(attempt.endpoint()).await)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request<'i>(
        &'i self,
        integration: &'i Integration,
        endpoint: impl Into<String>,
        method: impl AsRef<str>,
    ) -> ApiRequest<'i> {
        let method = method.as_ref().to_ascii_uppercase();
        ApiRequest {
            engine: self,
            integration,
            attempts: if method == "GET" { 3 } else { 1 },
            asked: Asked {
                method,
                endpoint: endpoint.into(),
                ..Asked::default()
            },
            patience: PATIENCE,
            classifier: Classifier::default(),
            body_error: None,
        }
    }
}

impl<'i> ApiRequest<'i> {
    /// Adds a parameter to the endpoint's query. The record has its name, but not its value.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        let pair = form_urlencoded::Serializer::new(String::new())
            .append_pair(name, &value.to_string())
            .finish();
        let endpoint = &mut self.asked.endpoint;
        let fragment = endpoint.find('#').map(|at| endpoint.split_off(at));
        endpoint.push(if endpoint.contains('?') { '&' } else { '?' });
        endpoint.push_str(&pair);
        endpoint.push_str(fragment.as_deref().unwrap_or_default());
        self
    }

    /// The body that is sent, as JSON: each attempt is told it.
    pub fn json_body(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body("application/json", body),
            Err(error) => {
                self.body_error = Some(error);
                self
            }
        }
    }

    /// The body that is sent, as a form: each attempt is told it.
    pub fn form_body<N: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// The body that is sent, and what it is: each attempt is told it. The record has it if it is JSON or a form,
    /// without secrets.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.asked.content_type = Some(content_type.to_owned());
        self.asked.body = Some(body.into());
        self
    }

    /// What makes repeats of the call recognisable to the provider: each attempt is told it, and sends it in the header
    /// that the provider knows.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.asked.idempotency_key = Some(key.into());
        self
    }

    /// How many attempts there are at most, at least 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// How long the call waits at most before an attempt, 10 s unless given. Where the provider, or the integration's
    /// own rate limit, asks for more, the call fails at once with an error that
    /// [says for how long](RequestError::retry_after).
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Tells whose failure an error of the client is, as
    /// [`classify_requests`](crate::IntegrationsBuilder::classify_requests), which is asked where this knows nothing.
    pub fn classify(
        mut self,
        classify: impl Fn(&(dyn std::error::Error + 'static)) -> Option<FailureClass>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.classifier = Classifier::new(classify);
        self
    }

    /// Decodes the answer from JSON: one that does not fit is a failure.
    pub fn json<T: DeserializeOwned>(self) -> JsonRequest<'i, T> {
        JsonRequest {
            request: self,
            decoded: PhantomData,
        }
    }

    /// Makes the request: the answer of the first attempt that succeeds. An answer with a status from 400 on is a
    /// failure.
    ///
    /// # Errors
    ///
    /// What the last attempt failed with; or that no attempt was made, since the rate limit is used up or the task has
    /// a transaction open; or that the attempt could not be recorded.
    pub async fn send<R, E, F>(
        self,
        mut attempt: impl FnMut(RequestAttempt) -> F,
    ) -> Result<R, RequestError>
    where
        F: Future<Output = Result<R, E>>,
        R: ApiResponse,
        E: Into<BoxError>,
    {
        self.drive(|told| {
            let answered = attempt(told);
            async move { Attempted::answered(answered.await, Ok) }
        })
        .await
    }

    /// Makes the request with a client that returns values of its own: each that is `Ok` is a success, and the record
    /// has neither status nor body.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn call<T, E, F>(
        self,
        mut attempt: impl FnMut(RequestAttempt) -> F,
    ) -> Result<T, RequestError>
    where
        F: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        self.drive(|told| {
            let answered = attempt(told);
            async move {
                Attempted {
                    answer: Answer::default(),
                    outcome: answered.await.map_err(|error| Ended::Error(error.into())),
                }
            }
        })
        .await
    }

    /// The engine.
    #[cfg(feature = "oauth-loopback")]
    pub(crate) fn engine(&self) -> &'i Integrations {
        self.engine
    }

    /// The integration whose request it is.
    #[cfg(feature = "oauth-loopback")]
    pub(crate) fn integration(&self) -> &'i Integration {
        self.integration
    }

    /// Gives each attempt this token.
    #[cfg(feature = "oauth-loopback")]
    pub(crate) fn with_access_token(mut self, token: String) -> Self {
        self.asked.access_token = Some(token);
        self
    }

    /// What is wrong before anything was sent.
    pub(super) fn ready(&mut self) -> Result<Arc<Asked>, RequestError> {
        if let Some(error) = self.body_error.take() {
            return Err(RequestError::Body(error));
        }
        Ok(Arc::new(std::mem::take(&mut self.asked)))
    }
}

impl fmt::Debug for ApiRequest<'_> {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiRequest")
            .field("integration", &self.integration.id)
            .field("method", &self.asked.method)
            .finish_non_exhaustive()
    }
}

/// An [`ApiRequest`] whose answer is decoded.
#[must_use = "a request is made by `send`"]
pub struct JsonRequest<'i, T> {
    request: ApiRequest<'i>,
    decoded: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonRequest<'_, T> {
    /// As [`ApiRequest::send`]: what the answer holds. One that cannot be decoded is a failure of
    /// [`Unknown`](FailureClass::Unknown) class, which is not tried again.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn send<R, E, F>(
        self,
        mut attempt: impl FnMut(RequestAttempt) -> F,
    ) -> Result<T, RequestError>
    where
        F: Future<Output = Result<R, E>>,
        R: ApiResponse,
        E: Into<BoxError>,
    {
        let decode = |response: R| serde_json::from_slice(response.body());
        self.request
            .drive(|told| {
                let answered = attempt(told);
                async move { Attempted::answered(answered.await, decode) }
            })
            .await
    }
}

impl<T> fmt::Debug for JsonRequest<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

/// Why an attempt did not succeed, before it is judged.
pub(super) enum Ended {
    /// The client failed.
    Error(BoxError),
    /// The answer tells of a failure.
    Fault(Fault),
}

impl<T> Attempted<T> {
    /// An attempt with a client that answers.
    fn answered<R: ApiResponse, E: Into<BoxError>>(
        answered: Result<R, E>,
        take: impl FnOnce(R) -> Result<T, serde_json::Error>,
    ) -> Self {
        let response = match answered {
            Ok(response) => response,
            Err(error) => {
                return Self {
                    answer: Answer::default(),
                    outcome: Err(Ended::Error(error.into())),
                };
            }
        };
        let answer = Answer::of(&response);
        let outcome = match Fault::of_status(&answer) {
            Some(fault) => Err(Ended::Fault(fault)),
            None => take(response).map_err(|error| Ended::Fault(Fault::of_decoding(error))),
        };
        Self { answer, outcome }
    }
}
