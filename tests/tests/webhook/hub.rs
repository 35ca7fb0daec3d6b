//! A provider that signs as GitHub does, handles deliveries as a test tells it to, and the routes that accept them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use chrono::TimeDelta;
use events_core::{BoxError, EventsBuilder, listener};
use events_std::webhook::{self, Answer, Challenge, Delivery, GitHub, Handlers, Verifier};
use events_std::{
    Integration, Integrations, IntegrationsBuilder, NewIntegration, NoMetadata, Provider,
    WebhookReceived, WebhookStatus, Webhooks, Worker, provider,
};
use events_tests::Effects;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, StatusCode};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::kit::{Bench, Zendesk};

pub(crate) const SECRET: &str = "a-shared-secret-of-24-bytes-or-more";

#[derive(Serialize, Deserialize)]
pub(crate) struct HubCredentials {
    pub(crate) secret: String,
}

/// How a handler ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Well,
    Fails,
    Panics,
}

/// What the handlers do, and what they got.
#[derive(Default)]
pub(crate) struct Script {
    /// The next ends; well, where there are none.
    pub(crate) fates: VecDeque<Fate>,
    /// What each call got: its handler, the attempt, and the delivery.
    pub(crate) handled: Vec<(&'static str, Option<u32>, Delivery)>,
    /// The verifier panics.
    pub(crate) panics: bool,
    /// A handler waits for a permit, if there is such a thing.
    pub(crate) gate: Option<Arc<Semaphore>>,
}

/// With handlers for `push` and `ping`, or with the generic one alone.
#[derive(Clone, Default)]
pub(crate) struct Hub {
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) generic: bool,
    /// Prints what it handles.
    pub(crate) tells: bool,
    /// Where it writes what it handles.
    pub(crate) effects: Option<Arc<Effects>>,
}

#[provider(Webhooks, instance)]
impl Provider for Hub {
    const KEY: &'static str = "hub";
    const NAME: &'static str = "Hub";
    type Credentials = HubCredentials;
    type Metadata = NoMetadata;
}

impl Webhooks for Hub {
    fn verifier(&self, integration: &Integration) -> Result<impl Verifier, BoxError> {
        assert!(
            !self.script.lock().unwrap().panics,
            "the verifier fell over"
        );
        Ok(GitHub::new(integration.credentials_of::<Self>()?.secret))
    }

    fn handlers(&self) -> Handlers<Self> {
        if self.generic {
            return Handlers::new();
        }
        Handlers::new()
            .on("push", |hub: Arc<Self>, delivery| async move {
                hub.take("push", delivery).await
            })
            .on("ping", Self::ping)
    }

    async fn handle(&self, delivery: Delivery) -> Result<(), BoxError> {
        self.take("any", delivery).await
    }

    async fn challenge(
        &self,
        integration: Option<&Integration>,
        challenge: &Challenge,
    ) -> Option<Answer> {
        let Some(integration) = integration else {
            let echo = json!({ "challenge": challenge.query("challenge") });
            let fits = challenge.query("verify_token") == Some("the-apps-own");
            return fits.then(|| Answer::json(&echo));
        };
        let wanted = integration.credentials_of::<Self>().ok()?.secret;
        let fits = challenge.query("verify_token") == Some(&*wanted);
        fits.then(|| Answer::text(challenge.query("challenge").unwrap_or_default()))
    }
}

impl Hub {
    async fn ping(self: Arc<Self>, delivery: Delivery) -> Result<(), BoxError> {
        self.take("ping", delivery).await
    }

    async fn take(&self, handler: &'static str, delivery: Delivery) -> Result<(), BoxError> {
        // The service that processes it, as its methods are called.
        Integrations::current()?;
        if self.tells {
            println!("handling {}", delivery.webhook.provider_delivery_id);
        }
        if let Some(effects) = &self.effects {
            effects.write(&format!(
                "handled {}",
                delivery.webhook.provider_delivery_id
            ));
        }
        let (fate, gate) = {
            let mut script = self.script.lock().unwrap();
            let attempt = delivery.attempt.map(|attempt| attempt.number);
            script.handled.push((handler, attempt, delivery));
            (script.fates.pop_front(), script.gate.clone())
        };
        if let Some(gate) = gate {
            gate.acquire().await?.forget();
        }
        match fate.unwrap_or(Fate::Well) {
            Fate::Well => Ok(()),
            Fate::Fails => Err("the handler is not well".into()),
            Fate::Panics => panic!("the handler is on fire"),
        }
    }

    pub(crate) fn will(&self, fates: impl IntoIterator<Item = Fate>) {
        self.script.lock().unwrap().fates = fates.into_iter().collect();
    }

    /// What the handlers got since the last call.
    pub(crate) fn handled(&self) -> Vec<(&'static str, Option<u32>, Delivery)> {
        std::mem::take(&mut self.script.lock().unwrap().handled)
    }

    /// The handler and the attempt of each call since the last call.
    pub(crate) fn calls(&self) -> Vec<(&'static str, Option<u32>)> {
        let handled = self.handled().into_iter();
        handled
            .map(|(handler, attempt, _)| (handler, attempt))
            .collect()
    }
}

/// Queued listeners of the app.
#[listener(WebhookReceived, queue)]
async fn app(event: &WebhookReceived) {
    assert_eq!(event.integration.provider, event.provider_key);
}

/// A bench with a hub, one integration of it, and the routes.
pub(crate) struct HubBench {
    pub(crate) bench: Bench,
    pub(crate) hub: Hub,
    pub(crate) integration: Integration,
    pub(crate) router: Router,
}

impl HubBench {
    pub(crate) async fn new(url: String) -> Self {
        Self::of(Hub::default(), url, |events| events).await
    }

    pub(crate) async fn of(
        hub: Hub,
        url: String,
        events: impl FnOnce(EventsBuilder) -> EventsBuilder,
    ) -> Self {
        Self::with(hub, url, |engine| engine, events).await
    }

    /// Whose deliveries are kept so long.
    pub(crate) async fn keeping(url: String, time: Option<Duration>) -> Self {
        let keep = |engine: IntegrationsBuilder| engine.keep_webhooks_for(time);
        Self::with(Hub::default(), url, keep, |events| events).await
    }

    async fn with(
        hub: Hub,
        url: String,
        engine: impl FnOnce(IntegrationsBuilder) -> IntegrationsBuilder,
        events: impl FnOnce(EventsBuilder) -> EventsBuilder,
    ) -> Self {
        let bench = Bench::with(
            url,
            |builder| engine(builder.provider(hub.clone()).provider(Zendesk)),
            |builder| events(builder.only_linked_in("events_std")),
        )
        .await;
        let router = webhook::routes(bench.engine.clone()).unwrap();
        let mut this = Self {
            integration: Integration::new(Hub::KEY, ""),
            bench,
            hub,
            router,
        };
        this.integration = this.connect(SECRET).await;
        this
    }

    /// Another integration of the hub, with this secret.
    pub(crate) async fn connect(&self, secret: &str) -> Integration {
        let new = NewIntegration::of::<Hub>("Octo").credentials(HubCredentials {
            secret: secret.to_owned(),
        });
        let integration = self.bench.engine.create(new.unwrap()).await.unwrap();
        self.bench.heard.take();
        integration
    }

    /// Sends what is signed with the hub's secret, to the path without an id.
    pub(crate) async fn send(&self, id: &str, event_type: &str, body: &str) -> (StatusCode, Value) {
        send(&self.router, &Sent::new(id, event_type, body)).await
    }

    pub(crate) async fn status(&self) -> (WebhookStatus, u32, Option<String>) {
        let row = self.only_row().await;
        (row.status, row.attempts, row.error)
    }

    /// The only delivery.
    pub(crate) async fn only_row(&self) -> events_std::IntegrationWebhook {
        let mut rows = self.rows().await;
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }

    /// All deliveries, the latest first.
    pub(crate) async fn rows(&self) -> Vec<events_std::IntegrationWebhook> {
        let all = webhook::WebhookFilter::new();
        self.bench.engine.list_webhooks(all).await.unwrap()
    }

    /// The entries of the operation log about webhooks, the oldest first: operation, status, error.
    pub(crate) async fn log(&self) -> Vec<(String, String, Option<String>)> {
        let sql = "SELECT operation, status, error FROM events_operations ORDER BY id";
        let rows = self.bench.rows(sql).await;
        let column = |row: &sea_orm::QueryResult, at| row.try_get_by_index(at).unwrap();
        rows.iter()
            .map(|row| {
                (
                    column(row, 0),
                    column(row, 1),
                    row.try_get_by_index(2).unwrap(),
                )
            })
            .collect()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let writer = self.bench.store.writer();
        writer.execute_unprepared(sql).await.unwrap();
    }

    /// The names of the events heard since the last call, sorted: the jobs of one delivery run side by side.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names = self.bench.heard.names();
        names.sort_unstable();
        names
    }

    /// Runs what is due, and nothing that is due later.
    pub(crate) async fn work(&self) {
        let now = self.bench.events.now().timestamp_millis();
        let due = format!("events_jobs WHERE state = 1 OR (state = 0 AND run_at <= {now})");
        let done = until("what is due is done", async || {
            self.bench.count(&due).await == 0
        });
        let worker = Worker::new(&self.bench.events, &self.bench.store);
        worker.run_until(done).await.unwrap();
    }

    /// Lets so much time pass, and runs what is due then.
    pub(crate) async fn work_after(&self, seconds: i64) {
        self.bench.clock.advance(TimeDelta::seconds(seconds));
        self.work().await;
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition().await {
        assert!(Instant::now() < deadline, "it never came to be that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A request with a body.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    pub(crate) fn new(id: &str, event_type: &str, body: &str) -> Self {
        Self {
            path: "/hub/webhook".to_owned(),
            headers: vec![
                ("x-github-delivery".into(), id.into()),
                ("x-github-event".into(), event_type.into()),
                (
                    "x-hub-signature-256".into(),
                    signature(SECRET, body.as_bytes()),
                ),
                ("authorization".into(), "Bearer hush-hush".into()),
            ],
            body: body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn to(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn request(&self) -> Request<Body> {
        let mut request = Request::post(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(self.body.clone().into()).unwrap()
    }
}

pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The status and the JSON of the answer.
pub(crate) async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1_000_000).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Sends a delivery over a connection of its own; the whole answer.
pub(crate) async fn over(address: SocketAddr, sent: &Sent) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let headers = sent.headers.iter();
    let headers: Vec<String> = headers
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}content-length: {}\r\n\r\n",
        sent.path,
        headers.concat(),
        sent.body.len()
    );
    connection.write_all(request.as_bytes()).await?;
    connection.write_all(&sent.body).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

pub(crate) async fn send(router: &Router, sent: &Sent) -> (StatusCode, Value) {
    ask(router, sent.request()).await
}

pub(crate) fn queued() -> (StatusCode, Value) {
    (StatusCode::OK, json!({"status": "queued"}))
}

pub(crate) fn duplicate() -> (StatusCode, Value) {
    (StatusCode::OK, json!({"status": "duplicate"}))
}
