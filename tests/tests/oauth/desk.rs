//! A provider to which people connect, the routes, and a browser.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use events_core::{BoxError, EventsBuilder, listener};
use events_std::oauth::{self, Authorizer, OAuthAction, OAuthClient, OAuthSettings};
use events_std::{
    Integration, IntegrationUpdate, NewIntegration, NoMetadata, OAuth, OAuthCompleted,
    OAuthRevoked, Provider, provider,
};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode, header};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::kit::{Bench, Zendesk};
use crate::server::{CLIENT, ISSUER, SECRET, Server};

pub(crate) const ORIGIN: &str = "https://app.example";
pub(crate) const CALLBACK: &str = "https://app.example/integrations/oauth/callback";

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeskCredentials {
    pub(crate) api_key: String,
    pub(crate) access_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) token_expires_at: Option<String>,
    #[serde(default)]
    pub(crate) instance_url: Option<String>,
}

/// With this server.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) url: String,
    /// The certificate of a peer that is served over TLS, whose endpoints are named otherwise.
    pub(crate) root: Option<String>,
}

#[provider(OAuth, instance)]
impl Provider for Desk {
    const KEY: &'static str = "desk";
    const NAME: &'static str = "Desk";
    type Credentials = DeskCredentials;
    type Metadata = NoMetadata;
}

impl OAuth for Desk {
    fn client(&self, integration: &Integration) -> Result<OAuthClient, BoxError> {
        let url = &self.url;
        if let Some(root) = &self.root {
            return Ok(
                OAuthClient::new(CLIENT, format!("{url}/auth"), format!("{url}/token"))
                    .secret(SECRET)
                    .scope("openid")
                    .scope("offline_access")
                    .parameter("prompt", "consent")
                    .issuer(url)
                    .root_certificate(root.as_bytes())
                    .revocation_url(format!("{url}/token/revocation")),
            );
        }
        let authorize = match &*integration.name {
            "of no client" => return Err("the integration tells no subdomain".into()),
            "of a bad address" => "http://id.example/authorize".to_owned(),
            _ => format!("{url}/authorize"),
        };
        let mut client = OAuthClient::new(CLIENT, authorize, format!("{url}/token"));
        if integration.name != "of no issuer" {
            client = client.issuer(ISSUER);
        }
        if integration.name != "of no revocation" {
            client = client.revocation_url(format!("{url}/revoke"));
        }
        Ok(client
            .secret(SECRET)
            .scope("read")
            .scope("write")
            .parameter("prompt", "consent")
            .keep("instance_url"))
    }
}

/// Says yes, until it says no.
#[derive(Clone)]
pub(crate) struct Gatekeeper(Arc<AtomicBool>);

impl Authorizer for Gatekeeper {
    async fn allows(&self, parts: &Parts, integration: &Integration, _: OAuthAction) -> bool {
        assert!(parts.uri.path().contains("/oauth/"));
        assert_ne!(integration.name, "of nobody", "the authorizer fell over");
        self.0.load(Ordering::SeqCst)
    }
}

/// Queued listeners of the app.
#[listener(OAuthCompleted, queue)]
async fn completed(event: &OAuthCompleted) {
    assert!(!event.integration.needs_authorization);
}

#[listener(OAuthRevoked, queue)]
async fn revoked(event: &OAuthRevoked) {
    assert_eq!(event.integration.provider, "desk");
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::FOUND, "{self:?}");
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// The pair that a browser sends back.
    pub(crate) fn cookie(&self) -> String {
        let cookie = self.headers[header::SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

/// A bench with a server, an integration of it, and the routes.
pub(crate) struct DeskBench {
    pub(crate) bench: Bench,
    pub(crate) server: Server,
    pub(crate) integration: Integration,
    pub(crate) router: Router,
    pub(crate) keeper: Gatekeeper,
}

impl DeskBench {
    pub(crate) async fn new(url: String) -> Self {
        let server = Server::start().await;
        let desk = Desk {
            url: server.url.clone(),
            root: None,
        };
        Self::of(url, server, desk, |events| events).await
    }

    pub(crate) async fn of(
        url: String,
        server: Server,
        desk: Desk,
        events: impl FnOnce(EventsBuilder) -> EventsBuilder,
    ) -> Self {
        let settings = OAuthSettings::new(CALLBACK, "/integrations").page("/settings?tab=2");
        let bench = Bench::with(
            url,
            |engine| engine.provider(desk).provider(Zendesk).oauth(settings),
            events,
        )
        .await;
        let keeper = Gatekeeper(Arc::new(AtomicBool::new(true)));
        let router = oauth::routes(bench.engine.clone(), keeper.clone()).unwrap();
        let new = NewIntegration::of::<Desk>("Support").credentials(DeskCredentials {
            api_key: "stays".into(),
            ..DeskCredentials::default()
        });
        let integration = bench.engine.create(new.unwrap()).await.unwrap();
        bench.heard.take();
        Self {
            router: Router::new().nest("/integrations", router),
            bench,
            server,
            integration,
            keeper,
        }
    }

    pub(crate) fn allow(&self, yes: bool) {
        self.keeper.0.store(yes, Ordering::SeqCst);
    }

    pub(crate) async fn ask(&self, request: http::request::Builder) -> Answer {
        let request: Request<Body> = request.body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        assert_eq!(head.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(head.headers[header::REFERRER_POLICY], "no-referrer");
        let body = to_bytes(body, 100_000).await.unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/integrations/{}/oauth/{rest}", self.integration.id)
    }

    pub(crate) async fn get(&self, path: &str, cookie: Option<&str>) -> Answer {
        let mut request = Request::get(path);
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        self.ask(request).await
    }

    /// Begins an authorization and agrees at the server: the path of the way back, and the cookie.
    pub(crate) async fn begun(&self) -> (String, String) {
        let answer = self.get(&self.path("authorize"), None).await;
        let query = self.server.consent(answer.location());
        (
            format!("/integrations/oauth/callback?{query}"),
            answer.cookie(),
        )
    }

    /// Authorizes the integration. What was heard and asked is forgotten.
    pub(crate) async fn connected(&self) {
        let (back, cookie) = self.begun().await;
        let answer = self.get(&back, Some(&cookie)).await;
        assert_eq!(answer.location(), "/integrations");
        self.bench.heard.take();
        self.server.asked();
    }

    pub(crate) async fn revoke(&self, origin: Option<&str>) -> Answer {
        let mut request = Request::post(self.path("revoke"));
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        self.ask(request).await
    }

    pub(crate) async fn stored(&self) -> Integration {
        self.bench.stored(&self.integration).await
    }

    /// Gives the integration another name, by which the authorizer and the provider know what to do.
    pub(crate) async fn rename(&self, name: &str) {
        let rename = format!("UPDATE events_integrations SET name = '{name}'");
        let writer = self.bench.store.writer();
        writer.execute_unprepared(&rename).await.unwrap();
    }

    pub(crate) async fn credentials(&self) -> DeskCredentials {
        self.stored().await.credentials_of::<Desk>().unwrap()
    }

    /// Stores tokens as they would lie there, good for so many seconds from the bench's clock on.
    pub(crate) async fn has_tokens(&self, seconds: i64) {
        let at = self.bench.events.now() + chrono::TimeDelta::seconds(seconds);
        let refresh = format!("refresh-0-{}", crate::server::CANARY);
        self.server.played.lock().unwrap().refresh = Some(refresh.clone());
        let update = IntegrationUpdate::new().credentials(json!({
            "api_key": "stays",
            "access_token": format!("access-0-{}", crate::server::CANARY),
            "refresh_token": refresh,
            "token_expires_at": at.to_rfc3339(),
        }));
        let engine = &self.bench.engine;
        engine
            .update(self.integration.id, update.unwrap())
            .await
            .unwrap();
    }
}
