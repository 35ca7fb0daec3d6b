//! Deliveries that a test sends, and what became of them.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;

use super::TestEngine;
use crate::webhook::{self, Accepted, IntegrationWebhook, Signer, WebhookFilter, WebhookStatus};

/// A delivery that a test sends: see [`TestEngine::deliver_to_end`].
#[derive(Clone)]
#[must_use]
pub struct TestDelivery {
    headers: HeaderMap,
    body: Vec<u8>,
    signer: Option<Arc<dyn Signer>>,
}

impl TestDelivery {
    /// With this body, without headers, and signed by nobody.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            headers: HeaderMap::new(),
            body: body.into(),
            signer: None,
        }
    }

    /// With this body as JSON.
    ///
    /// # Panics
    ///
    /// If it is nothing that JSON can say.
    pub fn json(body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_else(|error| panic!("no JSON: {error}"));
        Self::new(body).header(header::CONTENT_TYPE.as_str(), "application/json")
    }

    /// With this header, in place of one of this name.
    ///
    /// # Panics
    ///
    /// If a header cannot have this name or value.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name)
            .unwrap_or_else(|_| panic!("`{name}` is no name of a header"));
        let value = HeaderValue::try_from(value)
            .unwrap_or_else(|_| panic!("`{value}` is no value of a header"));
        self.headers.insert(name, value);
        self
    }

    /// Signed as this verifier asks for, when it is sent: by the engine's clock.
    pub fn signed(mut self, signer: impl Signer + 'static) -> Self {
        self.signer = Some(Arc::new(signer));
        self
    }

    /// The request that is sent.
    fn request(&self, now: DateTime<Utc>) -> Request {
        let mut sent = self.clone();
        if let Some(signer) = &self.signer {
            let request = webhook::Request::new(&self.headers, &self.body, now);
            let signed = signer.sign(&request);
            let signed = signed.unwrap_or_else(|why| panic!("it cannot be signed: {why}"));
            for (name, value) in signed {
                sent = sent.header(&name, &value);
            }
        }
        let mut request = Request::new(Body::from(sent.body));
        *request.headers_mut() = sent.headers;
        request
    }
}

impl fmt::Debug for TestDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDelivery")
            .field("headers", &self.headers)
            .field("body", &String::from_utf8_lossy(&self.body))
            .finish_non_exhaustive()
    }
}

/// What became of a delivery that a test sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestReceived {
    /// It was stored, and has been processed with all its retries: its row afterwards.
    Stored(IntegrationWebhook),
    /// It was stored before.
    Duplicate,
    /// It was not accepted.
    #[non_exhaustive]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The word under which it is [counted](crate::Integrations::webhook_refusals), as `wrong_signature`.
        reason: &'static str,
    },
}

impl TestReceived {
    /// Asserts that it was stored, and that its handler was successful or none is meant for it.
    ///
    /// # Panics
    ///
    /// If it was not; the message shows what became of it.
    #[track_caller]
    pub fn assert_processed(&self) {
        let well = |webhook: &IntegrationWebhook| webhook.status == WebhookStatus::Processed;
        assert!(
            matches!(self, Self::Stored(webhook) if well(webhook)),
            "the delivery was not processed: {}",
            self.seen()
        );
    }

    /// Asserts that it was stored, and that its handler failed for good, with an error that contains this text.
    ///
    /// # Panics
    ///
    /// If it did not; the message shows what became of it.
    #[track_caller]
    pub fn assert_failed(&self, error: &str) {
        let failed = |webhook: &IntegrationWebhook| {
            let text = webhook.error.as_deref().unwrap_or_default();
            webhook.status == WebhookStatus::Failed && text.contains(error)
        };
        assert!(
            matches!(self, Self::Stored(webhook) if failed(webhook)),
            "the delivery did not fail with an error that contains `{error}`: {}",
            self.seen()
        );
    }

    /// Asserts that it was stored before.
    ///
    /// # Panics
    ///
    /// If it was not; the message shows what became of it.
    #[track_caller]
    pub fn assert_duplicate(&self) {
        assert!(
            matches!(self, Self::Duplicate),
            "the delivery is no duplicate: {}",
            self.seen()
        );
    }

    /// Asserts that it was refused for this reason: the word under which it is
    /// [counted](crate::Integrations::webhook_refusals), as `wrong_signature`.
    ///
    /// # Panics
    ///
    /// If it was not; the message shows what became of it.
    #[track_caller]
    pub fn assert_refused(&self, reason: &str) {
        assert!(
            matches!(self, Self::Refused { reason: given, .. } if *given == reason),
            "the delivery was not refused as `{reason}`: {}",
            self.seen()
        );
    }

    /// What became of it.
    fn seen(&self) -> String {
        match self {
            Self::Stored(webhook) => {
                let mut text = format!(
                    "delivery `{}` is {}",
                    webhook.provider_delivery_id, webhook.status
                );
                if let Some(error) = &webhook.error {
                    text.push_str(", ");
                    text.push_str(error);
                }
                text
            }
            Self::Duplicate => "it was stored before".to_owned(),
            Self::Refused { status, reason } => {
                format!("it was refused with {status}, {reason}")
            }
        }
    }
}

impl TestEngine {
    /// Delivers a webhook to an integration, as the [routes](crate::webhook::routes) take it, and to the end: it is
    /// verified, stored, and processed with all retries, which wait for no time; so are the queued listeners that are due,
    /// and those that hear of [`WebhookReceived`](crate::WebhookReceived). What became of it.
    ///
    /// ```standalone_crate
    /// # use std::sync::Arc;
    /// # use events_core::BoxError;
    /// # use events_std::webhook::{Delivery, GitHub, Handlers, Verifier};
    /// # use events_std::{Integration, NoMetadata, Provider, Webhooks, provider};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Secrets { webhook_secret: String }
    /// # #[derive(Default)]
    /// # struct Hub;
    /// # #[provider(Webhooks)]
    /// # impl Provider for Hub {
    /// #     const KEY: &'static str = "github";
    /// #     const NAME: &'static str = "GitHub";
    /// #     type Credentials = Secrets;
    /// #     type Metadata = NoMetadata;
    /// # }
    /// # impl Webhooks for Hub {
    /// #     fn verifier(&self, integration: &Integration) -> Result<impl Verifier, BoxError> {
    /// #         Ok(GitHub::new(integration.credentials_of::<Self>()?.webhook_secret))
    /// #     }
    /// #     fn handlers(&self) -> Handlers<Self> {
    /// #         Handlers::new().on("push", Self::pushed)
    /// #     }
    /// # }
    /// # impl Hub {
    /// #     async fn pushed(self: Arc<Self>, delivery: Delivery) -> Result<(), BoxError> {
    /// #         delivery.json::<serde_json::Value>()?["ref"].as_str().ok_or("no ref")?;
    /// #         Ok(())
    /// #     }
    /// # }
    /// use events_std::{Integrations, NewIntegration, TestDelivery};
    ///
    /// #[tokio::main(flavor = "current_thread")] // in a test: #[tokio::test]
    /// async fn main() {
    ///     let engine = Integrations::for_tests().await;
    ///     let secrets = Secrets { webhook_secret: "a secret".to_owned() };
    ///     let new = NewIntegration::of::<Hub>("Our repository").credentials(secrets).unwrap();
    ///     let id = engine.create(new).await.unwrap().id;
    ///
    ///     let push = TestDelivery::json(&serde_json::json!({ "ref": "refs/heads/main" }))
    ///         .header("x-github-event", "push")
    ///         .signed(GitHub::new("a secret"));
    ///     engine.deliver_to_end(id, &push).await.assert_processed();
    ///     engine.deliver_to_end(id, &push).await.assert_duplicate();
    ///     let forged = push.signed(GitHub::new("a guess"));
    ///     engine.deliver_to_end(id, &forged).await.assert_refused("wrong_signature");
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no such integration, the delivery cannot be signed, or the database fails. What the adapter makes of the
    /// delivery is told by what is returned.
    pub async fn deliver_to_end(&self, id: i64, delivery: &TestDelivery) -> TestReceived {
        let found = self.find(id).await;
        let found = found.unwrap_or_else(|error| panic!("the integration cannot be read: {error}"));
        let integration = found.unwrap_or_else(|| panic!("there is no integration {id}"));
        let request = delivery.request(self.events().now());
        let to = (integration.provider, Some(id.to_string()));
        match webhook::receive(self, to.0, to.1, request).await {
            Ok(Accepted::Queued) => {}
            Ok(Accepted::Duplicate) => return TestReceived::Duplicate,
            Err(refusal) => {
                return TestReceived::Refused {
                    status: refusal.status().as_u16(),
                    reason: refusal.reason(),
                };
            }
        }
        let latest = WebhookFilter::new().integration(id).limit(1);
        let stored = self.list_webhooks(latest).await;
        let stored = stored.unwrap_or_else(|error| panic!("no delivery can be read: {error}"));
        let stored = stored.first().map(|webhook| webhook.id);
        let stored = stored.unwrap_or_else(|| panic!("the delivery was deleted"));
        self.work().await;
        let webhook = self.webhook(stored).await;
        let webhook = webhook.unwrap_or_else(|error| panic!("no delivery can be read: {error}"));
        TestReceived::Stored(webhook.unwrap_or_else(|| panic!("the delivery was deleted")))
    }
}
