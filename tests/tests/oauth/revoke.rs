//! An authorization is taken back.

use serde_json::json;

use crate::desk::{DeskBench, DeskCredentials, ORIGIN};
use crate::kit::on_both;
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

on_both!(
    three_keys_go_and_it_fires_once,
    many_at_once_fire_once,
    it_waits_for_a_refresh,
);
