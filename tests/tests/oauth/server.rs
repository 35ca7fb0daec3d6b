//! An authorization server on loopback, which checks what the standard says and does what a test tells it to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

pub(crate) const CLIENT: &str = "the-app";
pub(crate) const SECRET: &str = "canary-secret-1f0a77";
/// Every code and token holds it.
pub(crate) const CANARY: &str = "canary-token-9be31c";
pub(crate) const ISSUER: &str = "https://id.example";

type Parameters = HashMap<String, String>;

/// What the server knows, was asked, and shall do.
#[derive(Default)]
pub(crate) struct Played {
    /// The challenge and the callback address of each code that is not used up.
    codes: HashMap<String, (String, String)>,
    /// The refresh token that is good.
    pub(crate) refresh: Option<String>,
    number: u32,
    /// How often each was asked for: `authorization_code`, `refresh_token`, `revoke`, or where a redirect leads,
    /// `elsewhere`.
    pub(crate) asked: Vec<&'static str>,
    pub(crate) revoked: Vec<String>,
    /// The `token_type_hint` of each.
    pub(crate) hints: Vec<String>,
    /// The `code_verifier` of each exchange.
    pub(crate) verifiers: Vec<String>,
    /// The next answers, in place of the right ones.
    pub(crate) instead: Vec<(StatusCode, String)>,
    /// What stands beside the tokens.
    pub(crate) beside: serde_json::Map<String, Value>,
    /// How long tokens are good, in seconds; `None`: for ever.
    pub(crate) expires_in: Option<u64>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) played: Arc<Mutex<Played>>,
    /// A refresh uses up a permit, and waits for one once a test has taken them.
    pub(crate) gate: Arc<Semaphore>,
}

const OPEN: usize = 1_000_000;

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            played: Arc::new(Mutex::new(Played {
                expires_in: Some(3_600),
                ..Played::default()
            })),
            gate: Arc::new(Semaphore::new(OPEN)),
        };
        let router = Router::new()
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/elsewhere", any(elsewhere))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    /// Lets refreshes wait from now on.
    pub(crate) fn close_gate(&self) {
        self.gate.forget_permits(OPEN);
    }

    /// Lets the refresh through that has waited longest, and no other.
    pub(crate) fn let_one_through(&self) {
        self.gate.add_permits(1);
    }

    pub(crate) fn open_gate(&self) {
        self.gate.add_permits(OPEN);
    }

    pub(crate) fn will(&self, status: StatusCode, body: &Value) {
        let answer = (status, body.to_string());
        self.played.lock().unwrap().instead.push(answer);
    }

    pub(crate) fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.played.lock().unwrap().asked)
    }

    /// What a person does who is sent here and agrees: the query with which the browser goes back.
    pub(crate) fn consent(&self, location: &str) -> String {
        let (address, query) = location.split_once('?').unwrap();
        assert_eq!(address, format!("{}/authorize", self.url));
        let asked: Parameters = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT);
        assert_eq!(asked["scope"], "read write");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["prompt"], "consent");
        let mut played = self.played.lock().unwrap();
        played.number += 1;
        let code = format!("code-{}-{CANARY}", played.number);
        let bound = (
            asked["code_challenge"].clone(),
            asked["redirect_uri"].clone(),
        );
        played.codes.insert(code.clone(), bound);
        form_urlencoded::Serializer::new(String::new())
            .append_pair("state", &asked["state"])
            .append_pair("code", &code)
            .append_pair("iss", ISSUER)
            .finish()
    }
}

fn error(code: &str) -> Response {
    let told = json!({ "error": code, "error_description": format!("of {CANARY}") });
    (StatusCode::BAD_REQUEST, Json(told)).into_response()
}

fn is_client(headers: &HeaderMap) -> bool {
    let basic = STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|given| given.as_bytes() == format!("Basic {basic}").as_bytes())
}

async fn token(
    State(server): State<Server>,
    headers: HeaderMap,
    Form(asked): Form<Parameters>,
) -> Response {
    let kind = match asked.get("grant_type").map(String::as_str) {
        Some("authorization_code") => "authorization_code",
        Some("refresh_token") => "refresh_token",
        _ => return error("unsupported_grant_type"),
    };
    server.played.lock().unwrap().asked.push(kind);
    if kind == "refresh_token" {
        // Who hangs up meanwhile has not refreshed.
        server.gate.acquire().await.unwrap().forget();
    }
    let mut played = server.played.lock().unwrap();
    if !played.instead.is_empty() {
        let (status, body) = played.instead.remove(0);
        let json = [(header::CONTENT_TYPE, "application/json")];
        let mut answer = (status, json, body).into_response();
        if status.is_redirection() {
            let elsewhere = format!("{}/elsewhere", server.url).parse().unwrap();
            answer.headers_mut().insert(header::LOCATION, elsewhere);
        }
        return answer;
    }
    if let Some(verifier) = asked.get("code_verifier") {
        played.verifiers.push(verifier.clone());
    }
    if !is_client(&headers) {
        return error("invalid_client");
    }
    let is_good = if kind == "refresh_token" {
        played.refresh.is_some() && played.refresh.as_ref() == asked.get("refresh_token")
    } else {
        let bound = asked.get("code").and_then(|code| played.codes.remove(code));
        bound.is_some_and(|(challenge, callback)| {
            let verifier = asked.get("code_verifier").map_or("", String::as_str);
            URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge
                && (43..=128).contains(&verifier.len())
                && asked.get("redirect_uri") == Some(&callback)
        })
    };
    if !is_good {
        return error("invalid_grant");
    }
    played.number += 1;
    let refresh = format!("refresh-{}-{CANARY}", played.number);
    played.refresh = Some(refresh.clone());
    let mut answer = json!({
        "access_token": format!("access-{}-{CANARY}", played.number),
        "token_type": "Bearer",
        "refresh_token": refresh,
    });
    if let Some(seconds) = played.expires_in {
        answer["expires_in"] = seconds.into();
    }
    for (name, value) in &played.beside {
        answer[name] = value.clone();
    }
    Json(answer).into_response()
}

async fn elsewhere(State(server): State<Server>) {
    server.played.lock().unwrap().asked.push("elsewhere");
}

async fn revoke(
    State(server): State<Server>,
    headers: HeaderMap,
    Form(asked): Form<Parameters>,
) -> Response {
    let mut played = server.played.lock().unwrap();
    played.asked.push("revoke");
    if !played.instead.is_empty() {
        return played.instead.remove(0).into_response();
    }
    if !is_client(&headers) {
        return error("invalid_client");
    }
    let token = asked["token"].clone();
    played.hints.push(asked["token_type_hint"].clone());
    played.revoked.push(token);
    played.refresh = None;
    StatusCode::OK.into_response()
}
