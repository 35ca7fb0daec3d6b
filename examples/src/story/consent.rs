//! How an account is connected: Zendesk's authorization server, and a person's browser.

use axum::extract::{Form, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::json;

use crate::Error;

/// What the server gives to those who come with its code.
pub(super) const TOKEN: &str = "a-token-of-the-story";
const CODE: &str = "a-code-of-the-story";
pub(super) const CLIENT: (&str, &str) = ("helpdesk", "a secret of the story");

/// The authorization server. Its person always agrees.
pub(super) fn routes() -> Router {
    Router::new()
        .route("/oauth/authorizations/new", get(agree))
        .route("/oauth/tokens", post(tokens))
        .route("/oauth/revoke", post(revoke))
}

#[derive(Deserialize)]
struct Asked {
    client_id: String,
    redirect_uri: String,
    state: String,
}

async fn agree(Query(asked): Query<Asked>) -> Response {
    if asked.client_id != CLIENT.0 {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let back = format!("{}?code={CODE}&state={}", asked.redirect_uri, asked.state);
    (StatusCode::FOUND, [(header::LOCATION, back)]).into_response()
}

#[derive(Deserialize)]
struct Grant {
    client_secret: String,
    code: String,
}

async fn tokens(Form(grant): Form<Grant>) -> Response {
    if grant.code != CODE || grant.client_secret != CLIENT.1 {
        let error = Json(json!({ "error": "invalid_grant" }));
        return (StatusCode::BAD_REQUEST, error).into_response();
    }
    let tokens = json!({ "access_token": TOKEN, "token_type": "bearer", "expires_in": 172_800 });
    Json(tokens).into_response()
}

#[derive(Deserialize)]
struct Revoked {
    token: String,
}

async fn revoke(Form(revoked): Form<Revoked>) -> StatusCode {
    if revoked.token == TOKEN {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    }
}

/// Somebody's browser.
pub(super) struct Browser {
    client: reqwest::Client,
    app: String,
}

impl Browser {
    /// Of somebody who uses the application at this address.
    pub(super) fn of(app: String) -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, app })
    }

    /// Connects an account: to Zendesk, where the person agrees, and back.
    pub(super) async fn connect(&self, id: i64) -> Result<(), Error> {
        let begin = format!("{}/integrations/{id}/oauth/authorize", self.app);
        let sent = self.client.get(begin).send().await?;
        let cookie = sent.headers().get(header::SET_COOKIE).cloned();
        let cookie = cookie.ok_or("a cookie")?;
        let agreed = self.client.get(next(&sent)?).send().await?;
        let back = self.client.get(next(&agreed)?);
        let cookie = cookie.to_str()?.split(';').next().unwrap_or_default();
        let back = back.header(header::COOKIE, cookie).send().await?;
        ends_well(&back)
    }

    /// Takes the authorization back.
    pub(super) async fn disconnect(&self, id: i64) -> Result<(), Error> {
        let revoke = format!("{}/integrations/{id}/oauth/revoke", self.app);
        let revoke = self.client.post(revoke).header(header::ORIGIN, &self.app);
        ends_well(&revoke.send().await?)
    }
}

/// Where the browser is sent.
fn next(answer: &reqwest::Response) -> Result<String, Error> {
    let location = answer.headers().get(header::LOCATION);
    let location = location.ok_or_else(|| format!("no redirect, but {}", answer.status()))?;
    Ok(location.to_str()?.to_owned())
}

fn ends_well(answer: &reqwest::Response) -> Result<(), Error> {
    match next(answer)?.as_str() {
        "/integrations" => Ok(()),
        other => Err(format!("the browser is sent to {other}").into()),
    }
}
