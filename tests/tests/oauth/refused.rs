//! Every line of the table of errors: nothing is stored, nothing fires, and it is counted under its reason.

use chrono::TimeDelta;
use events_std::{Integration, NewIntegration};
use http::{Request, StatusCode, header};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::desk::{Answer, DeskBench, ORIGIN};
use crate::kit::{Zendesk, on_both};

impl DeskBench {
    /// The answer is this refusal, and the integration is as it was.
    async fn refuses(&self, before: &Integration, answer: Answer, status: u16, reason: &str) {
        assert_eq!(answer.status.as_u16(), status, "{reason}: {answer:?}");
        let told = answer.body["error"].as_str().expect("an error in JSON");
        assert!(!told.is_empty() && answer.body.as_object().unwrap().len() == 1);
        let counted = self.bench.engine.oauth_refusals();
        assert!(counted.contains_key(reason), "{reason}: {counted:?}");
        assert_eq!(self.stored().await, *before, "{reason}");
        assert_eq!(self.bench.heard.names(), [""; 0], "{reason}");
        assert_eq!(self.bench.count("events_jobs").await, 0, "{reason}");
    }
}

async fn on_the_way_there(url: String) {
    let desk = DeskBench::new(url).await;
    let before = desk.stored().await;
    for id in ["4711", "x", "-1", "99999999999999999999", "%ff"] {
        let answer = desk
            .get(&format!("/integrations/{id}/oauth/authorize"), None)
            .await;
        desk.refuses(&before, answer, 404, "unknown_integration")
            .await;
    }
    desk.allow(false);
    let answer = desk.get(&desk.path("authorize"), None).await;
    desk.refuses(&before, answer, 403, "not_allowed").await;
    desk.allow(true);
    let new = NewIntegration::of::<Zendesk>("no OAuth");
    let other = desk.bench.engine.create(new).await.unwrap();
    desk.bench.heard.take();
    let path = format!("/integrations/{}/oauth/authorize", other.id);
    let answer = desk.get(&path, None).await;
    desk.refuses(&before, answer, 400, "no_oauth").await;
    let answer = desk
        .get(&desk.path("authorize?redirect=/x&redirect=/x"), None)
        .await;
    desk.refuses(&before, answer, 400, "repeated_parameter")
        .await;
    for method in ["HEAD", "POST", "PUT", "OPTIONS"] {
        let request = Request::builder()
            .method(method)
            .uri(desk.path("authorize"));
        let answer = desk.ask(request).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers[header::ALLOW], "GET");
    }
    assert_eq!(desk.bench.count("events_oauth_states").await, 0);
}

async fn on_the_way_back(url: String) {
    let desk = DeskBench::new(url).await;
    let before = desk.stored().await;
    let at = "/integrations/oauth/callback";
    let (back, cookie) = desk.begun().await;
    let cookie = Some(cookie.as_str());
    let without = |name: &str| {
        let query = back.split_once('?').unwrap().1;
        let pairs: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.starts_with(&format!("{name}=")))
            .collect();
        format!("{at}?{}", pairs.join("&"))
    };
    let answer = desk.get(&without("state"), cookie).await;
    desk.refuses(&before, answer, 400, "no_state").await;
    for state in ["", "unknown", &"a".repeat(43), &"a".repeat(10_000), "%00"] {
        let path = format!("{}&state={state}", without("state"));
        let answer = desk.get(&path, cookie).await;
        desk.refuses(&before, answer, 400, "unknown_state").await;
    }
    let answer = desk.get(&format!("{back}&state=x"), cookie).await;
    desk.refuses(&before, answer, 400, "repeated_parameter")
        .await;
    // None of that has used the state up.
    assert_eq!(desk.bench.count("events_oauth_states").await, 1);
    assert_eq!(desk.server.asked(), [""; 0]);
    desk.get(&back, cookie).await.location();
    desk.bench.heard.take();
    let before = desk.stored().await;
    let answer = desk.get(&back, cookie).await;
    desk.refuses(&before, answer, 400, "unknown_state").await;
    assert_eq!(desk.server.asked(), ["authorization_code"]);
}

/// Each of these uses the state up.
async fn of_a_state_that_came_back_wrongly(url: String) {
    let desk = DeskBench::new(url).await;
    let before = desk.stored().await;
    let foreign = format!("__Host-events-oauth={}", "a".repeat(43));
    for (reason, change) in [
        ("foreign_session", None),
        ("foreign_session", Some(("cookie", foreign.as_str()))),
        ("expired_state", Some(("wait", ""))),
        ("wrong_issuer", Some(("iss", ""))),
        ("wrong_issuer", Some(("iss", "&iss=https://id.example/"))),
        ("denied", Some(("code", "&error=access_denied"))),
        ("denied", Some(("", "&error=hush"))),
        ("no_code", Some(("code", ""))),
    ] {
        let (mut back, own) = desk.begun().await;
        let mut cookie = Some(own);
        match change {
            None => cookie = None,
            Some(("cookie", other)) => cookie = Some(other.to_owned()),
            Some(("wait", _)) => desk.bench.clock.advance(TimeDelta::seconds(601)),
            Some((name, added)) => {
                let (path, query) = back.split_once('?').unwrap();
                let left_out = format!("{name}=");
                let kept: Vec<&str> = query
                    .split('&')
                    .filter(|pair| name.is_empty() || !pair.starts_with(&left_out))
                    .collect();
                back = format!("{path}?{}{added}", kept.join("&"));
            }
        }
        let answer = desk.get(&back, cookie.as_deref()).await;
        desk.refuses(&before, answer, 400, reason).await;
        assert_eq!(desk.bench.count("events_oauth_states").await, 0, "{reason}");
        assert_eq!(desk.server.asked(), [""; 0], "{reason}");
    }
}

async fn a_provider_that_fails(url: String) {
    let desk = DeskBench::new(url).await;
    let before = desk.stored().await;
    let bad = json!({ "error": "invalid_grant" });
    let wrong = json!({ "access_token": 7 });
    let unfit = json!({
        "access_token": "t", "token_type": "Bearer", "instance_url": { "not": "a text" },
    });
    let large = json!({ "access_token": "a".repeat(1_100_000), "token_type": "Bearer" });
    // Whoever does not understand a token must not use it.
    let other = json!({ "access_token": "t", "token_type": "mac" });
    let empty = json!({ "access_token": "", "token_type": "Bearer" });
    for (status, body) in [
        (StatusCode::BAD_REQUEST, &bad),
        (StatusCode::INTERNAL_SERVER_ERROR, &wrong),
        (StatusCode::OK, &wrong),
        (StatusCode::OK, &unfit),
        (StatusCode::OK, &large),
        (StatusCode::OK, &other),
        (StatusCode::OK, &empty),
        // A redirect is not followed.
        (StatusCode::TEMPORARY_REDIRECT, &bad),
    ] {
        let (back, cookie) = desk.begun().await;
        desk.server.will(status, body);
        let answer = desk.get(&back, Some(&cookie)).await;
        desk.refuses(&before, answer, 502, "provider").await;
        assert_eq!(desk.server.asked(), ["authorization_code"]);
    }
    // PKCE: the server has another challenge for the code.
    let (back, cookie) = desk.begun().await;
    let (other, _) = desk.begun().await;
    let code = |path: &str| {
        let (_, code) = path.split_once("code=").unwrap();
        code.split('&').next().unwrap().to_owned()
    };
    let swapped = back.replace(&code(&back), &code(&other));
    let answer = desk.get(&swapped, Some(&cookie)).await;
    desk.refuses(&before, answer, 502, "provider").await;
}

/// Nothing is stored of a request to authorize that goes nowhere, and nobody is asked.
async fn what_is_not_configured_rightly(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(3_600).await;
    for name in ["of no client", "of a bad address"] {
        desk.rename(name).await;
        let before = desk.stored().await;
        let answer = desk.get(&desk.path("authorize"), None).await;
        desk.refuses(&before, answer, 500, "configuration").await;
        assert_eq!(desk.bench.count("events_oauth_states").await, 0, "{name}");
        let answer = desk.revoke(Some(ORIGIN)).await;
        desk.refuses(&before, answer, 500, "configuration").await;
        desk.rename("Support").await;
        let (back, cookie) = desk.begun().await;
        desk.rename(name).await;
        let before = desk.stored().await;
        let answer = desk.get(&back, Some(&cookie)).await;
        desk.refuses(&before, answer, 500, "configuration").await;
    }
    assert_eq!(desk.server.asked(), [""; 0]);
    assert_eq!(desk.bench.engine.oauth_refusals()["configuration"], 6);
}

async fn revocations(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(3_600).await;
    let before = desk.stored().await;
    for origin in [
        None,
        Some("https://evil.example"),
        Some("null"),
        Some("http://app.example"),
        Some("https://app.example:8443"),
        Some("https://app.example.evil.example"),
    ] {
        let answer = desk.revoke(origin).await;
        desk.refuses(&before, answer, 403, "foreign_origin").await;
    }
    desk.allow(false);
    let answer = desk.revoke(Some(ORIGIN)).await;
    desk.refuses(&before, answer, 403, "not_allowed").await;
    desk.allow(true);
    desk.server
        .will(StatusCode::SERVICE_UNAVAILABLE, &json!({}));
    let answer = desk.revoke(Some(ORIGIN)).await;
    desk.refuses(&before, answer, 502, "provider").await;
    let answer = desk.get(&desk.path("revoke"), None).await;
    desk.refuses(&before, answer, 405, "method").await;
    let request = Request::post("/integrations/4711/oauth/revoke").header("origin", ORIGIN);
    let answer = desk.ask(request).await;
    desk.refuses(&before, answer, 404, "unknown_integration")
        .await;
    assert_eq!(desk.server.asked(), ["revoke"]);
}

/// A panic is a no, and a database that is away loses no state.
async fn what_falls_over(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(3_600).await;
    let (back, cookie) = desk.begun().await;
    desk.rename("of nobody").await;
    let before = desk.stored().await;
    let answer = desk.get(&desk.path("authorize"), None).await;
    desk.refuses(&before, answer, 500, "panicked").await;
    let answer = desk.revoke(Some(ORIGIN)).await;
    desk.refuses(&before, answer, 500, "panicked").await;
    desk.rename("Support").await;
    let before = desk.stored().await;
    let writer = desk.bench.store.writer();
    let rename = |from, to| format!("ALTER TABLE {from} RENAME TO {to}");
    let (table, away) = ("events_oauth_states", "events_oauth_states_away");
    let gone = writer.execute_unprepared(&rename(table, away)).await;
    gone.unwrap();
    for (path, cookie) in [
        (desk.path("authorize"), None),
        (back.clone(), Some(&*cookie)),
    ] {
        let answer = desk.get(&path, cookie).await;
        desk.refuses(&before, answer, 503, "failed").await;
    }
    assert_eq!(desk.server.asked(), [""; 0]);
    let back_again = writer.execute_unprepared(&rename(away, table)).await;
    back_again.unwrap();
    desk.get(&back, Some(&cookie)).await.location();
}

on_both!(
    what_falls_over,
    on_the_way_there,
    on_the_way_back,
    of_a_state_that_came_back_wrongly,
    a_provider_that_fails,
    what_is_not_configured_rightly,
    revocations,
);
