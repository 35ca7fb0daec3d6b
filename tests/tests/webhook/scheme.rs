//! A provider with a scheme of its own: what the routes take from its verifier, and what from the provider itself.

use std::time::Duration;

use events_core::BoxError;
use events_std::webhook::{self, HmacSha256, Request as Delivered, Verifier};
use events_std::{
    Integration, IntegrationWebhook, NewIntegration, NoMetadata, Provider, Webhooks, provider,
};
use http::StatusCode;

use crate::hub::{Sent, duplicate, queued, send, signature};
use crate::kit::{Bench, on_both};

const SECRET: &str = "a secret of Acme";

/// How the verifier is put together.
#[derive(Clone, Copy)]
enum Scheme {
    WithId,
    WithoutId,
    /// It has a tolerance, and no time is signed.
    Untimed,
}

#[derive(Clone)]
struct Acme(Scheme);

#[provider(Webhooks, instance)]
impl Provider for Acme {
    const KEY: &'static str = "acme";
    const NAME: &'static str = "Acme";
    type Credentials = serde_json::Value;
    type Metadata = NoMetadata;
}

impl Webhooks for Acme {
    fn verifier(&self, _: &Integration) -> Result<impl Verifier, BoxError> {
        let verifier = HmacSha256::new("X-Acme-Proof", SECRET).prefix("sha256=");
        Ok(match self.0 {
            Scheme::WithId => verifier.delivery_id("x-acme-delivery"),
            Scheme::WithoutId => verifier,
            Scheme::Untimed => verifier.tolerance(Duration::from_mins(1)),
        })
    }

    fn delivery_id(&self, request: &Delivered<'_>) -> Option<String> {
        request.header("x-own-id").map(str::to_owned)
    }

    fn event_type(&self, request: &Delivered<'_>) -> Option<String> {
        request.header("x-own-type").map(str::to_owned)
    }
}

struct AcmeBench {
    bench: Bench,
    router: axum::Router,
}

impl AcmeBench {
    async fn new(url: String, scheme: Scheme) -> Self {
        let bench = Bench::with(
            url,
            |engine| engine.provider(Acme(scheme)),
            |events| events.only_linked_in("events_std"),
        )
        .await;
        let new = NewIntegration::of::<Acme>("Acme").credentials(serde_json::json!({}));
        bench.engine.create(new.unwrap()).await.unwrap();
        let router = webhook::routes(bench.engine.clone()).unwrap();
        Self { bench, router }
    }

    async fn send(&self, body: &str, headers: &[(&str, &str)]) -> (StatusCode, serde_json::Value) {
        let mut sent = Sent {
            path: "/acme/webhook".to_owned(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
        .with("x-acme-proof", signature(SECRET, body.as_bytes()));
        for (name, value) in headers {
            sent = sent.with(name, *value);
        }
        send(&self.router, &sent).await
    }

    /// The latest delivery.
    async fn last(&self) -> IntegrationWebhook {
        let filter = webhook::WebhookFilter::new().limit(1);
        let mut rows = self.bench.engine.list_webhooks(filter).await.unwrap();
        rows.remove(0)
    }
}

/// Together with the body the proof could be sent again, whatever its header is called.
async fn the_proof_is_not_stored(url: String) {
    let acme = AcmeBench::new(url, Scheme::WithId).await;
    assert_eq!(acme.send("{}", &[("x-plain", "kept")]).await, queued());
    let row = acme.last().await;
    assert_eq!(row.header("x-acme-proof"), Some("***"));
    assert_eq!(row.header("x-plain"), Some("kept"));
}

/// The scheme's id tells duplicates apart; the provider is asked where there is none. Of the type it knows best.
async fn the_schemes_id_comes_first(url: String) {
    let acme = AcmeBench::new(url, Scheme::WithId).await;
    let body = r#"{"type":"guessed"}"#;
    let both = [
        ("x-acme-delivery", "a-1"),
        ("x-own-id", "o-1"),
        ("x-own-type", "told"),
    ];
    assert_eq!(acme.send(body, &both).await, queued());
    let row = acme.last().await;
    assert_eq!(row.provider_delivery_id, "a-1");
    assert_eq!(row.event_type.as_deref(), Some("told"));
    let again = [("x-acme-delivery", "a-1"), ("x-own-id", "o-2")];
    assert_eq!(acme.send(body, &again).await, duplicate());
    assert_eq!(acme.send(body, &[("x-own-id", "o-3")]).await, queued());
    let row = acme.last().await;
    assert_eq!(row.provider_delivery_id, "o-3");
    assert_eq!(row.event_type.as_deref(), Some("guessed"));
}

async fn without_an_id_of_the_scheme_the_provider_is_asked(url: String) {
    let acme = AcmeBench::new(url, Scheme::WithoutId).await;
    assert_eq!(acme.send("{}", &[("x-own-id", "o-1")]).await, queued());
    assert_eq!(acme.last().await.provider_delivery_id, "o-1");
}

/// A tolerance without a signed time would bound nothing: it is said, instead of ignored.
async fn a_tolerance_without_a_time_accepts_nothing(url: String) {
    let acme = AcmeBench::new(url, Scheme::Untimed).await;
    assert_eq!(acme.send("{}", &[]).await.0, StatusCode::FORBIDDEN);
    assert_eq!(acme.bench.engine.webhook_refusals()["misconfigured"], 1);
    assert_eq!(acme.bench.count("events_webhooks").await, 0);
}

on_both!(
    a_tolerance_without_a_time_accepts_nothing,
    the_proof_is_not_stored,
    the_schemes_id_comes_first,
    without_an_id_of_the_scheme_the_provider_is_asked,
);
