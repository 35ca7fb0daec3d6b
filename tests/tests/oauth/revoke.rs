//! An authorization is taken back.

use events_std::IntegrationUpdate;
use http::StatusCode;
use serde_json::json;
use tracing::instrument::WithSubscriber;

use crate::desk::{DeskBench, DeskCredentials, ORIGIN};
use crate::kit::on_both;
use crate::secrets::{Everything, everything};
use crate::server::CANARY;

/// The three go, the rest stays; it fires once however often it is asked for.
async fn three_keys_go_and_it_fires_once(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(3_600).await;
    let answer = desk.revoke(Some(ORIGIN)).await;
    assert_eq!(answer.location(), "/integrations");
    assert_eq!(desk.bench.heard.names(), ["oauth.revoked"]);
    let left = DeskCredentials {
        api_key: "stays".into(),
        ..DeskCredentials::default()
    };
    assert_eq!(desk.credentials().await, left);
    let revoked = desk.server.played.lock().unwrap().revoked.clone();
    assert_eq!(revoked, [format!("refresh-0-{CANARY}")]);
    let hints = desk.server.played.lock().unwrap().hints.clone();
    assert_eq!(hints, ["refresh_token"]);
    desk.revoke(Some(ORIGIN)).await.location();
    assert_eq!(desk.bench.heard.names(), [""; 0]);
    assert_eq!(desk.server.asked(), ["revoke"]);
}

/// Ten at once: one asks the provider.
async fn many_at_once_fire_once(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(3_600).await;
    let id = desk.integration.id;
    let engine = &desk.bench.engine;
    let all: Vec<_> = (0..10)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.revoke_authorization(id).await.unwrap() })
        })
        .collect();
    for one in all {
        let left = one.await.unwrap();
        assert_eq!(
            left.credentials.unwrap().get("api_key"),
            Some(&json!("stays"))
        );
    }
    assert_eq!(desk.server.asked(), ["revoke"]);
    assert_eq!(desk.bench.heard.names(), ["oauth.revoked"]);
}

/// It waits for a refresh, and revokes what that got.
async fn it_waits_for_a_refresh(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    desk.server.close_gate();
    let (engine, id) = (desk.bench.engine.clone(), desk.integration.id);
    let refreshing = tokio::spawn(async move { engine.access_token(id).await });
    while desk.server.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let engine = desk.bench.engine.clone();
    let revoking = tokio::spawn(async move { engine.revoke_authorization(id).await });
    desk.server.open_gate();
    refreshing.await.unwrap().unwrap();
    revoking.await.unwrap().unwrap();
    let revoked = desk.server.played.lock().unwrap().revoked.clone();
    assert_eq!(revoked, [format!("refresh-1-{CANARY}")]);
    assert_eq!(desk.credentials().await.access_token, None);
}

/// A token that is none any more is what was wanted, and any 2xx is a yes (RFC 7009, 2.2).
async fn a_dead_token_is_a_revoked_one(url: String) {
    let desk = DeskBench::new(url).await;
    for (status, body) in [
        (400, json!({ "error": "invalid_token" })),
        (400, json!({ "error": "invalid_grant" })),
        (204, json!("")),
        (202, json!("text")),
    ] {
        desk.has_tokens(3_600).await;
        desk.server
            .will(StatusCode::from_u16(status).unwrap(), &body);
        desk.revoke(Some(ORIGIN)).await.location();
        assert_eq!(desk.bench.heard.names(), ["oauth.revoked"], "{body}");
        assert_eq!(desk.credentials().await.refresh_token, None, "{body}");
    }
    for (status, body, told) in [
        (
            400,
            json!({ "error": "unsupported_token_type" }),
            "unsupported_token_type",
        ),
        (401, json!({ "error": "invalid_client" }), "invalid_client"),
        (400, json!("invalid_token"), "400"),
        (404, json!({}), "404"),
    ] {
        desk.has_tokens(3_600).await;
        desk.server
            .will(StatusCode::from_u16(status).unwrap(), &body);
        let id = desk.integration.id;
        let revoking = desk.bench.engine.revoke_authorization(id).await;
        let error = revoking.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(desk.credentials().await.refresh_token.is_some(), "{body}");
    }
    assert_eq!(desk.server.asked(), ["revoke"; 8]);
    assert_eq!(desk.bench.heard.names(), [""; 0]);
}

async fn an_access_token_alone_is_revoked(url: String) {
    let desk = DeskBench::new(url).await;
    let tokens = json!({ "api_key": "stays", "access_token": "alone" });
    let update = IntegrationUpdate::new().credentials(tokens).unwrap();
    let id = desk.integration.id;
    desk.bench.engine.update(id, update).await.unwrap();
    desk.revoke(Some(ORIGIN)).await.location();
    {
        let played = desk.server.played.lock().unwrap();
        assert_eq!(played.revoked, ["alone"]);
        assert_eq!(played.hints, ["access_token"]);
    }
    assert_eq!(desk.credentials().await.access_token, None);
}

/// The tokens go here, and it is said that the provider was not asked.
async fn without_an_address_they_go_here_alone(url: String) {
    everything();
    let desk = DeskBench::new(url).await;
    desk.has_tokens(3_600).await;
    desk.rename("of no revocation").await;
    let logged = Everything::default();
    let id = desk.integration.id;
    let revoking = desk.bench.engine.revoke_authorization(id);
    let revoked = revoking.with_subscriber(logged.clone()).await.unwrap();
    assert_eq!(desk.credentials().await.access_token, None);
    assert_eq!(revoked, desk.stored().await);
    assert_eq!(desk.bench.heard.names(), ["oauth.revoked"]);
    assert_eq!(desk.server.asked(), [""; 0]);
    let logged = logged.0.lock().unwrap();
    assert!(logged.contains("here alone"), "{logged}");
}

on_both!(
    a_dead_token_is_a_revoked_one,
    an_access_token_alone_is_revoked,
    without_an_address_they_go_here_alone,
    three_keys_go_and_it_fires_once,
    many_at_once_fire_once,
    it_waits_for_a_refresh,
);
