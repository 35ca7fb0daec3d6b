//! Section 9, the order of what is checked, and the transaction.

use events_core::Events;
use events_std::webhook::{self, RoutesError};
use events_std::{IntegrationUpdate, Integrations, NewIntegration, Provider, WebhookStatus};
use http::StatusCode;
use sea_orm::DbBackend;
use serde_json::json;

use crate::hub::{Hub, HubBench, SECRET, Sent, duplicate, queued, send, signature};
use crate::kit::{Zendesk, on_both};

/// The row, the announcement and the processing job, in one transaction; the sender waits for no listener.
async fn a_genuine_delivery_is_stored_announced_and_processed(url: String) {
    let hub = HubBench::new(url).await;
    assert_eq!(hub.send("d-1", "push", r#"{"ref":"main"}"#).await, queued());
    assert_eq!(hub.bench.count("events_jobs").await, 2);
    assert!(
        hub.bench.heard.names().is_empty(),
        "better: the sender waits for no listener"
    );
    assert!(hub.hub.calls().is_empty());
    let row = hub.only_row().await;
    assert_eq!(row.status, WebhookStatus::Pending);
    assert_eq!(row.integration_id, hub.integration.id);
    assert_eq!((&*row.provider, &*row.provider_delivery_id), ("hub", "d-1"));
    assert_eq!(row.event_type.as_deref(), Some("push"));
    assert_eq!(row.payload, br#"{"ref":"main"}"#);
    assert_eq!(row.header("X-GitHub-Event"), Some("push"));
    assert_eq!(
        row.header("authorization"),
        Some("***"),
        "secret-looking ones are masked"
    );
    assert_eq!(row.header("x-hub-signature-256"), Some("***"));
    assert_eq!(row.created_at, hub.bench.events.now());
    hub.work().await;
    let mut heard = hub.bench.heard.take();
    heard.sort_unstable();
    let names: Vec<_> = heard.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["operation.completed", "webhook.received"]);
    assert!(heard[1].1.contains("d-1"), "{heard:?}");
    assert_eq!(hub.status().await, (WebhookStatus::Processed, 1, None));
    let got = hub.hub.handled();
    assert_eq!(got.len(), 1);
    let (handler, attempt, delivery) = &got[0];
    assert_eq!((*handler, *attempt), ("push", Some(1)));
    assert_eq!(
        delivery.json::<serde_json::Value>().unwrap(),
        json!({"ref": "main"})
    );
    assert_eq!(delivery.integration.id, hub.integration.id);
}

/// A duplicate replies 200, stores nothing, fires nothing.
async fn a_duplicate_is_told_and_nothing_else(url: String) {
    let hub = HubBench::new(url).await;
    assert_eq!(hub.send("d-1", "push", "{}").await, queued());
    assert_eq!(hub.send("d-1", "push", "{}").await, duplicate());
    hub.work().await;
    assert_eq!(hub.send("d-1", "ping", "[]").await, duplicate());
    hub.work().await;
    assert_eq!(hub.rows().await.len(), 1);
    assert_eq!(hub.bench.count("events_jobs WHERE state < 2").await, 0);
    assert_eq!(hub.names(), ["operation.completed", "webhook.received"]);
    assert_eq!(hub.hub.calls(), [("push", Some(1))]);
    // Another integration has ids of its own.
    let other = hub.connect("another secret").await;
    let signed = Sent::new("d-1", "push", "{}")
        .to(format!("/hub/{}/webhook", other.id))
        .with("x-hub-signature-256", signature("another secret", b"{}"));
    assert_eq!(send(&hub.router, &signed).await, queued());
}

/// Delivery id = the provider's, else a hash of the body.
async fn without_an_id_the_body_stands_for_it(url: String) {
    let hub = HubBench::new(url).await;
    let nameless = |body: &str| {
        let mut sent = Sent::new("", "push", body);
        sent.headers.retain(|(name, _)| name != "x-github-delivery");
        sent
    };
    assert_eq!(send(&hub.router, &nameless("1")).await, queued());
    assert_eq!(send(&hub.router, &nameless("1")).await, duplicate());
    assert_eq!(send(&hub.router, &nameless("2")).await, queued());
    // What an index cannot hold is no id.
    assert_eq!(hub.send(&"x".repeat(256), "push", "3").await, queued());
    assert_eq!(hub.send(&"y".repeat(256), "push", "3").await, duplicate());
    assert_eq!(hub.send(&"z".repeat(255), "push", "3").await, queued());
    let ids = hub
        .rows()
        .await
        .into_iter()
        .map(|row| row.provider_delivery_id);
    let hashes = ids.filter(|id| id.starts_with("sha256:") && id.len() == 71);
    assert_eq!(hashes.count(), 3);
}

/// Each refusal has its status, is JSON, is counted, and leaves nothing behind.
async fn what_is_refused_is_not_stored(url: String) {
    let hub = HubBench::new(url).await;
    let genuine = Sent::new("d-1", "push", "{}");
    let zendesk = NewIntegration::new(Zendesk::KEY, "Support");
    let zendesk = hub.bench.engine.create(zendesk).await.unwrap().id;
    let inactive = hub.connect(SECRET).await.id;
    hub.bench.engine.disable(inactive).await.unwrap();
    hub.bench.heard.take();
    let id = hub.integration.id;
    let large = "x".repeat(1024 * 1024 + 1);
    let forged = genuine
        .clone()
        .with("x-hub-signature-256", signature("wrong", b"{}"));
    let refused = [
        // Before everything else: the size.
        (
            Sent::new("d", "push", &large).to("/nobody/webhook"),
            413,
            "too_large",
        ),
        (Sent::new("d", "push", &large), 413, "too_large"),
        (
            genuine.clone().to("/nobody/webhook"),
            404,
            "unknown_provider",
        ),
        (
            genuine.clone().to("/nobody/1/webhook"),
            404,
            "unknown_provider",
        ),
        (genuine.clone().to("/%ff/webhook"), 404, "unknown_provider"),
        (genuine.clone().to("/zendesk/webhook"), 400, "no_webhooks"),
        (
            genuine.clone().to(format!("/zendesk/{zendesk}/webhook")),
            400,
            "no_webhooks",
        ),
        (
            genuine.clone().to(format!("/hub/{zendesk}/webhook")),
            404,
            "unknown_integration",
        ),
        (
            genuine.clone().to(format!("/hub/{inactive}/webhook")),
            404,
            "unknown_integration",
        ),
        (
            genuine.clone().to("/hub/99/webhook"),
            404,
            "unknown_integration",
        ),
        (
            genuine.clone().to("/hub/no-number/webhook"),
            404,
            "unknown_integration",
        ),
        // Unknown comes before the signature.
        (
            forged.clone().to("/hub/99/webhook"),
            404,
            "unknown_integration",
        ),
        (forged.clone(), 403, "wrong_signature"),
        (
            forged.to(format!("/hub/{id}/webhook")),
            403,
            "wrong_signature",
        ),
        (
            genuine.clone().with("x-hub-signature-256", "x"),
            403,
            "malformed_header",
        ),
    ];
    for (sent, status, reason) in refused {
        let counted = |hub: &HubBench| {
            let counts = hub.bench.engine.webhook_refusals();
            counts.get(reason).copied().unwrap_or_default()
        };
        let before = counted(&hub);
        let (answered, body) = send(&hub.router, &sent).await;
        assert_eq!(answered.as_u16(), status, "{}: {body}", sent.path);
        let error = body["error"].as_str().expect("JSON");
        assert!(!error.contains(SECRET) && !error.is_empty(), "{error}");
        assert_eq!(counted(&hub), before + 1, "{reason}");
    }
    assert_eq!(hub.bench.count("events_webhooks").await, 0);
    assert_eq!(hub.bench.count("events_jobs").await, 0);
    hub.work().await;
    assert!(hub.bench.heard.names().is_empty());
    // The same delivery without a fault.
    let path = format!("/hub/{id}/webhook");
    assert_eq!(send(&hub.router, &genuine.to(path)).await, queued());
}

/// Secrets are read for each delivery: one that was replaced proves nothing any more, and what it signed is no duplicate.
async fn a_replaced_secret_accepts_nothing_more(url: String) {
    let hub = HubBench::new(url).await;
    assert_eq!(hub.send("d-1", "push", "{}").await, queued());
    let replaced = IntegrationUpdate::new().credentials(json!({ "secret": "the next one" }));
    let engine = &hub.bench.engine;
    let id = hub.integration.id;
    engine.update(id, replaced.unwrap()).await.unwrap();
    for sent in ["d-1", "d-2"] {
        let (status, _) = hub.send(sent, "push", "{}").await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{sent}");
    }
    let signed = Sent::new("d-2", "push", "{}");
    let signed = signed.with("x-hub-signature-256", signature("the next one", b"{}"));
    assert_eq!(send(&hub.router, &signed).await, queued());
    // An empty one proves nothing to anybody.
    let emptied = IntegrationUpdate::new().credentials(json!({ "secret": "" }));
    engine.update(id, emptied.unwrap()).await.unwrap();
    let forged = Sent::new("d-3", "push", "{}");
    let forged = forged.with("x-hub-signature-256", signature("", b"{}"));
    let (status, _) = send(&hub.router, &forged).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(engine.webhook_refusals()["unfit_secret"], 1);
    assert_eq!(hub.rows().await.len(), 2);
}

/// Ids are kept as they are, if a header can hold them once; a signature that is there twice is none.
async fn odd_headers_confuse_nothing(url: String) {
    let hub = HubBench::new(url).await;
    let odd = [
        "1/d-1",
        "../d",
        "' OR 1=1 --",
        "%00",
        "d 1",
        "{\"a\":1}",
        "$1",
    ];
    for id in odd {
        assert_eq!(hub.send(id, "push", "{}").await, queued(), "{id}");
        assert_eq!(hub.send(id, "push", "{}").await, duplicate(), "{id}");
    }
    let mut twice = Sent::new("d-1", "push", "twice");
    twice
        .headers
        .push(("x-github-delivery".into(), "d-2".into()));
    assert_eq!(send(&hub.router, &twice).await, queued());
    let ids = hub
        .rows()
        .await
        .into_iter()
        .rev()
        .map(|row| row.provider_delivery_id);
    let mut ids: Vec<String> = ids.collect();
    assert!(
        ids.pop().unwrap().starts_with("sha256:"),
        "two ids are none"
    );
    assert_eq!(ids, odd);
    let mut twice = Sent::new("d-3", "push", "{}");
    let signature = ("x-hub-signature-256".to_owned(), signature(SECRET, b"{}"));
    twice.headers.push(signature);
    let (status, _) = send(&hub.router, &twice).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    hub.work().await;
    assert_eq!(hub.hub.calls().len(), odd.len() + 1);
}

/// The bytes that were signed are stored, whatever they are said to be.
async fn a_body_is_kept_as_it_was_signed(url: String) {
    let hub = HubBench::new(url).await;
    let body = b"\x1f\x8b\x08\x00\xff not what it says\x00";
    let mut sent = Sent::new("d-1", "push", "").with("content-encoding", "gzip");
    sent.body = body.to_vec();
    let sent = sent.with("x-hub-signature-256", signature(SECRET, body));
    assert_eq!(send(&hub.router, &sent).await, queued());
    hub.work().await;
    assert_eq!(hub.only_row().await.payload, body);
    assert_eq!(hub.hub.handled()[0].2.body(), body);
}

/// Without an id in the path the integration is the one whose secret verifies, never the first; two matches refuse.
async fn the_secret_chooses_the_integration(url: String) {
    let hub = HubBench::new(url).await;
    let other = hub.connect("another secret").await;
    let sent = Sent::new("d-1", "push", "{}")
        .with("x-hub-signature-256", signature("another secret", b"{}"));
    assert_eq!(send(&hub.router, &sent).await, queued());
    assert_eq!(hub.only_row().await.integration_id, other.id);
    let twin = hub.connect("another secret").await;
    let second = Sent {
        body: b"{}".to_vec(),
        ..sent.clone()
    }
    .with("x-github-delivery", "d-2");
    let (status, _) = send(&hub.router, &second).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(hub.bench.engine.webhook_refusals()["ambiguous"], 1);
    let named = second.clone().to(format!("/hub/{}/webhook", twin.id));
    assert_eq!(send(&hub.router, &named).await, queued());
    hub.bench.engine.disable(twin.id).await.unwrap();
    assert_eq!(
        send(&hub.router, &second).await,
        queued(),
        "only active ones are candidates"
    );
}

/// At most 16 candidates.
async fn of_too_many_integrations_none_is_chosen(url: String) {
    let hub = HubBench::new(url).await;
    for number in 2..=16 {
        hub.connect(&format!("secret {number}")).await;
    }
    assert_eq!(hub.send("d-1", "push", "{}").await, queued());
    let last = hub.connect("secret 17").await;
    let (status, body) = hub.send("d-2", "push", "{}").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let path = format!("/hub/{}/webhook", hub.integration.id);
    let named = Sent::new("d-2", "push", "{}").to(path);
    assert_eq!(send(&hub.router, &named).await, queued());
    hub.bench.engine.disable(last.id).await.unwrap();
    assert_eq!(hub.send("d-3", "push", "{}").await, queued());
}

/// No panic before authentication: one of a provider's own code is an answer.
async fn a_verifier_that_panics_accepts_nothing(url: String) {
    let hub = HubBench::new(url).await;
    hub.hub.script.lock().unwrap().panics = true;
    let (status, body) = hub.send("d-1", "push", "{}").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{body}");
    assert_eq!(hub.bench.count("events_webhooks").await, 0);
    hub.hub.script.lock().unwrap().panics = false;
    assert_eq!(hub.send("d-1", "push", "{}").await, queued());
}

/// Credentials that do not fit the provider accept nothing, and other integrations still do.
async fn an_integration_without_a_secret_accepts_nothing(url: String) {
    let hub = HubBench::new(url).await;
    let update = IntegrationUpdate::new().without_credentials();
    let stored = hub.bench.engine.update(hub.integration.id, update).await;
    stored.unwrap();
    let (status, _) = hub.send("d-1", "push", "{}").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(hub.bench.engine.webhook_refusals()["no_verifier"], 1);
    hub.connect(SECRET).await;
    assert_eq!(hub.send("d-1", "push", "{}").await, queued());
}

/// One whose credentials cannot be decrypted keeps no other from its deliveries, and is told of no sender as not genuine:
/// who sends to it comes again.
async fn an_integration_that_cannot_be_read_keeps_no_other(url: String) {
    let hub = HubBench::new(url).await;
    hub.connect("another secret").await;
    let spoiled = match hub.bench.store.backend() {
        DbBackend::Postgres => r"'\x00'",
        _ => "x'00'",
    };
    let id = hub.integration.id;
    hub.execute(&format!(
        "UPDATE events_integrations SET credentials = {spoiled} WHERE id = {id}"
    ))
    .await;
    let sent = Sent::new("d-1", "push", "{}")
        .with("x-hub-signature-256", signature("another secret", b"{}"));
    assert_eq!(send(&hub.router, &sent).await, queued());
    let (status, body) = hub.send("d-2", "push", "{}").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert_eq!(hub.bench.count("events_webhooks").await, 1);
}

/// Row, announcement and job stand or fall together: what cannot be announced is not stored, and comes again.
async fn what_cannot_be_written_whole_is_not_written(url: String) {
    let hub = HubBench::new(url).await;
    hub.execute("ALTER TABLE events_jobs RENAME TO events_jobs_away")
        .await;
    let (status, body) = hub.send("d-1", "push", "{}").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(
        !body["error"].as_str().unwrap().contains("events_jobs"),
        "{body}"
    );
    assert_eq!(hub.bench.count("events_webhooks").await, 0);
    hub.execute("ALTER TABLE events_jobs_away RENAME TO events_jobs")
        .await;
    assert_eq!(hub.send("d-1", "push", "{}").await, queued());
    hub.work().await;
    assert_eq!(hub.names(), ["operation.completed", "webhook.received"]);
}

/// Routes whose deliveries nobody would process cannot be made.
async fn routes_without_processing_are_refused(url: String) {
    let hub = HubBench::new(url).await;
    let engine = Integrations::builder(&hub.bench.store)
        .without_linked()
        .provider(Hub::default())
        .build()
        .unwrap();
    let alone = Events::builder()
        .without_linked()
        .state(engine.clone())
        .queue(hub.bench.store.queue())
        .build()
        .unwrap();
    let refused = webhook::routes::<()>(engine.with_events(&alone)).unwrap_err();
    assert_eq!(refused, RoutesError::NoProcessing);
    // A program that has no engine does without the listener, and needs no queue for it.
    Events::builder()
        .only_linked_in("events_std")
        .build()
        .unwrap();
}

on_both!(
    an_integration_that_cannot_be_read_keeps_no_other,
    a_body_is_kept_as_it_was_signed,
    a_replaced_secret_accepts_nothing_more,
    odd_headers_confuse_nothing,
    a_duplicate_is_told_and_nothing_else,
    a_genuine_delivery_is_stored_announced_and_processed,
    a_verifier_that_panics_accepts_nothing,
    an_integration_without_a_secret_accepts_nothing,
    of_too_many_integrations_none_is_chosen,
    routes_without_processing_are_refused,
    the_secret_chooses_the_integration,
    what_cannot_be_written_whole_is_not_written,
    what_is_refused_is_not_stored,
    without_an_id_the_body_stands_for_it,
);
