//! `GET` reaches a challenge handler only, and stores nothing.

use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode};
use serde_json::json;
use tower::ServiceExt;

use crate::hub::{HubBench, SECRET, ask};
use crate::kit::on_both;

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn a_challenge_is_answered_by_its_integration(url: String) {
    let hub = HubBench::new(url).await;
    hub.connect("another secret").await;
    let query = format!("verify_token={SECRET}&challenge=a%20b");
    let by_id = format!("/hub/{}/webhook?{query}", hub.integration.id);
    for path in [format!("/hub/webhook?{query}"), by_id] {
        let answer = hub.router.clone().oneshot(get(&path)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let text = answer.headers()["content-type"].to_str().unwrap();
        assert!(text.starts_with("text/plain"), "{text}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(to_bytes(answer.into_body(), 100).await.unwrap(), "a b");
    }
    assert_eq!(hub.bench.count("events_webhooks").await, 0);
    assert_eq!(hub.bench.count("events_jobs").await, 0);
}

/// As where a provider asks before anything is connected.
async fn without_an_integration_the_provider_answers_itself(url: String) {
    let hub = HubBench::new(url).await;
    let path = "/hub/webhook?verify_token=the-apps-own&challenge=7";
    let (status, _) = ask(&hub.router, get(path)).await;
    assert_eq!(
        status,
        StatusCode::FORBIDDEN,
        "there is one, which was asked"
    );
    let id = hub.integration.id;
    hub.bench.engine.disable(id).await.unwrap();
    let (status, body) = ask(&hub.router, get(path)).await;
    assert_eq!(
        (status, body),
        (StatusCode::OK, json!({ "challenge": "7" }))
    );
    let (status, _) = ask(&hub.router, get("/hub/webhook?challenge=7")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

async fn a_challenge_that_is_not_answered_is_refused(url: String) {
    let hub = HubBench::new(url).await;
    for (path, status) in [
        ("/hub/webhook", 403),
        ("/hub/webhook?verify_token=wrong&challenge=7", 403),
        ("/hub/99/webhook", 404),
        ("/nobody/webhook", 404),
        ("/zendesk/webhook", 400),
    ] {
        let (answered, body) = ask(&hub.router, get(path)).await;
        assert_eq!(answered.as_u16(), status, "{path}: {body}");
        assert!(body["error"].is_string(), "{path}: {body}");
    }
    for method in [Method::PUT, Method::DELETE, Method::HEAD, Method::PATCH] {
        let request = Request::builder().method(method).uri("/hub/webhook");
        let request = request.body(Body::empty()).unwrap();
        let answer = hub.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()["allow"], "GET, POST");
    }
}

on_both!(
    a_challenge_is_answered_by_its_integration,
    a_challenge_that_is_not_answered_is_refused,
    without_an_integration_the_provider_answers_itself,
);
