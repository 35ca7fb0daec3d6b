//! The adapter against a Zendesk of the test's own: `wiremock` plays the API on loopback, and `Integrations::for_tests()`
//! is the engine, on a database in memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use events_core::listener;
use events_std::{
    FailureClass, HealthStatus, HealthThresholds, Integrations, NewIntegration, RateLimited,
    TestDelivery, TestEngine, webhook,
};
use helpdesk_zendesk::{
    Ticket, Zendesk, ZendeskCredentials, ZendeskMetadata, ZendeskTicketStatusChanged,
    ZendeskTicketSynced,
};
use serde_json::json;
use wiremock::matchers::{any, bearer_token, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const EXPORT: &str = "/api/v2/incremental/tickets/cursor.json";

/// The integration's id, of an account at this server.
async fn connect(engine: &TestEngine, server: &MockServer) -> i64 {
    let new = NewIntegration::of::<Zendesk>("Support")
        .credentials(ZendeskCredentials {
            access_token: Some("hush".to_owned()),
            webhook_secret: "a webhook secret".to_owned(),
            ..ZendeskCredentials::default()
        })
        .unwrap()
        .metadata(ZendeskMetadata { url: server.uri() })
        .unwrap();
    engine.create(new).await.unwrap().id
}

fn ticket(id: u64, time: i64) -> Ticket {
    Ticket {
        id,
        subject: format!("Question {id}"),
        group: if id == 21 { "billing" } else { "support" }.to_owned(),
        generated_timestamp: time,
    }
}

/// A page of the export, asked for in this way.
async fn page(
    server: &MockServer,
    (parameter, value): (&str, &str),
    tickets: &[Ticket],
    next: Option<&str>,
) {
    let body = json!({ "tickets": tickets, "after_cursor": next, "end_of_stream": next.is_none() });
    Mock::given(method("GET"))
        .and(path(EXPORT))
        .and(bearer_token("hush"))
        .and(query_param(parameter, value))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .expect(1)
        .mount(server)
        .await;
}

#[tokio::test]
async fn all_pages_are_synced_and_the_next_run_goes_on_where_the_last_ended() {
    let (server, engine) = (MockServer::start().await, Integrations::for_tests().await);
    let id = connect(&engine, &server).await;
    page(
        &server,
        ("start_time", "0"),
        &[ticket(1, 10), ticket(2, 20)],
        Some("b"),
    )
    .await;
    page(&server, ("cursor", "b"), &[ticket(3, 30)], None).await;
    let run = engine.sync_to_end(id).await;
    run.assert_synced(3);
    assert_eq!(run.integration.sync_cursor, Some(30.into()));

    page(&server, ("start_time", "30"), &[], None).await;
    engine.sync_to_end(id).await.assert_synced(0);
}

/// An application's listener, which knows one group of agents.
#[listener(ZendeskTicketSynced)]
fn assign(event: &ZendeskTicketSynced) -> Result<(), String> {
    match &*event.ticket.group {
        "support" => Ok(()),
        group => Err(format!("the group `{group}` is not known here")),
    }
}

#[tokio::test]
async fn a_ticket_that_cannot_be_stored_keeps_the_cursor() {
    let (server, engine) = (MockServer::start().await, Integrations::for_tests().await);
    let id = connect(&engine, &server).await;
    page(
        &server,
        ("start_time", "0"),
        &[ticket(20, 10), ticket(21, 20)],
        None,
    )
    .await;
    let run = engine.sync_to_end(id).await;
    run.assert_item_failed(21, "the group `billing` is not known here");
    assert_eq!(run.integration.sync_cursor, None);

    engine.skip_item(run.items[1].id).await.unwrap();
    let integration = engine.find(id).await.unwrap().unwrap();
    assert_eq!(integration.sync_cursor, Some(20.into()));
}

/// Everything is answered with 429.
async fn limit(server: &MockServer) {
    let response = ResponseTemplate::new(429).insert_header("retry-after", "40");
    Mock::given(any())
        .respond_with(response)
        .mount(server)
        .await;
}

#[tokio::test]
async fn an_api_that_asks_for_fewer_requests_is_no_failure_of_its_health() {
    let (server, engine) = (MockServer::start().await, Integrations::for_tests().await);
    let id = connect(&engine, &server).await;
    limit(&server).await;
    let run = engine.sync_to_end(id).await;
    run.assert_failed("429 Too Many Requests");
    assert_eq!(run.integration.health_status, HealthStatus::Healthy);

    // A listener that fails with this lets its item wait as long as Zendesk says.
    let client = Zendesk::default()
        .client(&engine, &run.integration)
        .unwrap();
    let error = client.comment(1, "Thank you").await.unwrap_err();
    let limited = RateLimited::find(&error).unwrap();
    assert_eq!(limited.wait(), Duration::from_secs(40));
}

#[tokio::test]
async fn an_outage_is_told_by_the_check_of_its_health() {
    let server = MockServer::start().await;
    let quick = HealthThresholds {
        degraded_after: 1,
        ..HealthThresholds::default()
    };
    let engine = Integrations::for_tests();
    let engine = engine.engine(move |engine| engine.health(quick)).await;
    let id = connect(&engine, &server).await;
    let me = || path("/api/v2/users/me.json");
    let down = Mock::given(me()).respond_with(ResponseTemplate::new(503));
    let outage = down.mount_as_scoped(&server).await;
    let (integration, said) = engine.check_health(id).await.unwrap();
    assert_eq!(said.unwrap_err().class, FailureClass::Upstream);
    assert_eq!(integration.health_status, HealthStatus::Degraded);

    drop(outage);
    let well = ResponseTemplate::new(200).set_body_json(json!({ "user": {} }));
    Mock::given(me()).respond_with(well).mount(&server).await;
    let (integration, said) = engine.check_health(id).await.unwrap();
    said.unwrap();
    assert_eq!(integration.health_status, HealthStatus::Healthy);
}

/// A delivery as Zendesk makes it: of this type, about the ticket with this id.
fn told(delivery: &str, event_type: &str, ticket: &str) -> TestDelivery {
    let body = json!({
        "type": event_type,
        "detail": { "id": ticket },
        "event": { "previous": "OPEN", "current": "SOLVED" },
    });
    TestDelivery::json(&body)
        .header("x-zendesk-webhook-invocation-id", delivery)
        .signed(webhook::Zendesk::new("a webhook secret"))
}

const STATUS_CHANGED: &str = "zen:event-type:ticket.status_changed";

#[tokio::test]
async fn a_status_that_changed_is_told_once() {
    let server = MockServer::start().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let list = heard.clone();
    let note = move |event: &ZendeskTicketStatusChanged| {
        let told = (event.ticket, event.status.clone());
        list.lock().unwrap().push(told);
    };
    let engine = Integrations::for_tests().events(move |events| events.listen("note", note));
    let engine = engine.await;
    let id = connect(&engine, &server).await;
    let solved = told("hook-7", STATUS_CHANGED, "7");
    engine.deliver_to_end(id, &solved).await.assert_processed();
    // Zendesk sends again what was answered too late.
    engine.deliver_to_end(id, &solved).await.assert_duplicate();
    assert_eq!(*heard.lock().unwrap(), [(7, "SOLVED".to_owned())]);

    let other = told("hook-8", "zen:event-type:ticket.created", "8");
    engine.deliver_to_end(id, &other).await.assert_processed();
    assert_eq!(heard.lock().unwrap().len(), 1, "the rest is ignored");
}

#[tokio::test]
async fn a_webhook_that_zendesk_did_not_sign_is_refused() {
    let server = MockServer::start().await;
    let engine = Integrations::for_tests().await;
    let id = connect(&engine, &server).await;
    let solved = told("hook-7", STATUS_CHANGED, "7");
    let forged = solved.clone().signed(webhook::Zendesk::new("a guess"));
    let refused = engine.deliver_to_end(id, &forged).await;
    refused.assert_refused("wrong_signature");

    // An account whose webhook has no secret yet.
    let new = NewIntegration::of::<Zendesk>("Returns");
    let new = new.credentials(ZendeskCredentials::default()).unwrap();
    let new = new.metadata(ZendeskMetadata { url: server.uri() }).unwrap();
    let other = engine.create(new).await.unwrap().id;
    let refused = engine.deliver_to_end(other, &solved).await;
    refused.assert_refused("unfit_secret");
}

#[tokio::test]
async fn a_webhook_that_is_not_understood_is_kept_as_failed() {
    let server = MockServer::start().await;
    let engine = Integrations::for_tests().await;
    let id = connect(&engine, &server).await;
    let odd = told("hook-7", STATUS_CHANGED, "no number");
    let received = engine.deliver_to_end(id, &odd).await;
    received.assert_failed("invalid digit");
}
