//! Processing: the job alone is claimed and fenced, with the default tries; the row mirrors it.

use events_core::Events;
use events_std::webhook::Delivery;
use events_std::{WebhookStatus, Worker};
use tokio::sync::Semaphore;

use std::sync::Arc;

use crate::hub::{Fate, Hub, HubBench, Sent, queued, send, until};
use crate::kit::on_both;

use WebhookStatus::{Failed, Pending, Processed, Processing};

fn entry(operation: &str, status: &str, error: Option<&str>) -> (String, String, Option<String>) {
    (operation.into(), status.into(), error.map(Into::into))
}

/// Handler by event type; a type unknown to a non-empty map is ignored and counts as processed.
async fn the_handler_of_the_type_gets_it(url: String) {
    let hub = HubBench::new(url).await;
    for (id, event_type) in [("d-1", "push"), ("d-2", "ping"), ("d-3", "star")] {
        assert_eq!(hub.send(id, event_type, "{}").await, queued());
    }
    hub.work().await;
    let mut calls = hub.hub.calls();
    calls.sort_unstable();
    assert_eq!(calls, [("ping", Some(1)), ("push", Some(1))]);
    let rows = hub.rows().await;
    assert!(rows.iter().all(|row| row.status == Processed), "{rows:?}");
    assert!(
        rows.iter()
            .all(|row| row.processed_at == Some(hub.bench.events.now()))
    );
    assert_eq!(hub.log().await, vec![entry("webhook", "success", None); 3]);
}

/// Else the generic handler.
async fn without_a_map_the_generic_handler_gets_all(url: String) {
    let generic = Hub {
        generic: true,
        ..Hub::default()
    };
    let hub = HubBench::of(generic, url, |events| events).await;
    hub.send("d-1", "push", "{}").await;
    hub.send("d-2", "", "{}").await;
    hub.work().await;
    assert_eq!(hub.hub.calls(), [("any", Some(1)); 2]);
}

/// The default tries, after which the row is failed, and the log says so; the event does not fire again.
async fn a_handler_that_fails_is_tried_again_and_then_given_up(url: String) {
    let hub = HubBench::new(url).await;
    hub.hub.will([Fate::Fails, Fate::Panics, Fate::Fails]);
    hub.send("d-1", "push", "{}").await;
    hub.work().await;
    assert_eq!(hub.bench.heard.names(), ["webhook.received"]);
    let failed = Some("the handler is not well".to_owned());
    assert_eq!(hub.status().await, (Pending, 1, failed.clone()));
    hub.work_after(10).await;
    // A panic is no return: the row is processing until the next attempt starts.
    assert_eq!(hub.status().await, (Processing, 2, failed.clone()));
    hub.work_after(59).await;
    assert_eq!(hub.status().await.1, 2, "the third is not due yet");
    hub.work_after(1).await;
    assert_eq!(hub.status().await, (Failed, 3, failed.clone()));
    assert_eq!(hub.bench.heard.names(), ["operation.failed"]);
    assert_eq!(
        hub.log().await,
        [entry("webhook", "failed", failed.as_deref())]
    );
    assert_eq!(hub.bench.count("events_jobs WHERE state = 3").await, 1);
    let calls = [("push", Some(1)), ("push", Some(2)), ("push", Some(3))];
    assert_eq!(hub.hub.calls(), calls);
}

/// A failing handler keeps no listener of the announcement, and none of them keeps it.
async fn announcement_and_processing_are_apart(url: String) {
    let hub = HubBench::of(Hub::default(), url, |events| {
        events.listen("fails", |_: &events_std::WebhookReceived| {
            Err::<(), _>("no listener is well")
        })
    })
    .await;
    hub.send("d-1", "push", "{}").await;
    hub.work().await;
    assert_eq!(hub.status().await, (Processed, 1, None));
    assert_eq!(hub.names(), ["operation.completed", "webhook.received"]);
    hub.work_after(10).await;
    assert_eq!(
        hub.bench.heard.names(),
        ["webhook.received"],
        "better: the announcement is tried again"
    );
    assert_eq!(hub.hub.calls(), [("push", Some(1))]);
}

/// An attempt whose end was not written does not let a processed delivery be handled again.
async fn what_is_processed_is_not_handled_again(url: String) {
    let hub = HubBench::new(url).await;
    hub.send("d-1", "push", "{}").await;
    hub.work().await;
    assert_eq!(hub.hub.calls(), [("push", Some(1))]);
    // As where the process died between the row's end and the job's.
    hub.execute(
        "UPDATE events_jobs SET state = 0, worker = NULL WHERE listener LIKE 'events_std%'",
    )
    .await;
    hub.work().await;
    assert_eq!(hub.hub.calls(), []);
    assert_eq!(hub.status().await, (Processed, 1, None));
    assert_eq!(hub.log().await.len(), 1);
}

/// A late holder can write nothing: an attempt that goes on after another has started changes neither row nor log.
async fn a_late_attempt_writes_no_end(url: String) {
    let hub = HubBench::new(url).await;
    let gate = Arc::new(Semaphore::new(0));
    hub.hub.script.lock().unwrap().gate = Some(gate.clone());
    hub.hub.will([Fate::Fails, Fate::Well]);
    hub.send("d-1", "push", "{}").await;
    let (events, store) = (hub.bench.events.clone(), hub.bench.store.clone());
    let late = tokio::spawn(async move { Worker::new(&events, &store).drain().await });
    until("it is handled", async || {
        !hub.hub.script.lock().unwrap().handled.is_empty()
    })
    .await;
    assert_eq!(hub.status().await.0, Processing);
    // Another worker takes the job over, runs it, and ends it.
    hub.execute(
        "UPDATE events_jobs SET state = 0, worker = NULL, fence = fence + 1 WHERE listener LIKE 'events_std%'",
    )
    .await;
    hub.hub.script.lock().unwrap().gate = None;
    hub.work().await;
    assert_eq!(hub.status().await, (Processed, 2, None));
    gate.add_permits(1);
    late.await.unwrap().unwrap();
    assert_eq!(hub.status().await, (Processed, 2, None));
    assert_eq!(hub.log().await, [entry("webhook", "success", None)]);
}

/// What a handler dispatches has the delivery as its cause, and goes through the engine's dispatcher.
async fn a_handler_dispatches_through_the_engine(url: String) {
    let hub = HubBench::new(url).await;
    hub.send("d-1", "push", "{}").await;
    hub.work().await;
    let handled = hub.hub.handled();
    let delivery: &Delivery = &handled[0].2;
    hub.bench.heard.take();
    let healthy = events_std::IntegrationSynced {
        integration: delivery.integration.clone(),
    };
    delivery.events.dispatch(&healthy).await.unwrap();
    assert_eq!(hub.bench.heard.names(), ["integration.synced"]);
}

/// Deleting an integration deletes its deliveries, and their jobs find nothing to do.
async fn the_deliveries_of_a_deleted_integration_are_gone(url: String) {
    let hub = HubBench::new(url).await;
    hub.send("d-1", "push", "{}").await;
    hub.bench.engine.delete(hub.integration.id).await.unwrap();
    hub.work().await;
    assert_eq!(hub.bench.count("events_webhooks").await, 0);
    assert_eq!(hub.hub.calls(), []);
}

/// A dispatcher that only records stores the delivery, and runs nothing.
async fn a_fake_records_what_is_received(url: String) {
    let hub = HubBench::new(url).await;
    let fake = Events::builder()
        .state(hub.bench.engine.clone())
        .queue(hub.bench.store.queue())
        .fake();
    let router = events_std::webhook::routes(hub.bench.engine.with_events(fake.events())).unwrap();
    let sent = Sent::new("d-1", "push", "{}");
    assert_eq!(send(&router, &sent).await, queued());
    fake.assert_dispatched_once::<events_std::WebhookReceived>();
    assert_eq!(hub.rows().await.len(), 1);
    assert_eq!(hub.bench.count("events_jobs").await, 0);
}

on_both!(
    a_fake_records_what_is_received,
    a_handler_dispatches_through_the_engine,
    a_handler_that_fails_is_tried_again_and_then_given_up,
    a_late_attempt_writes_no_end,
    announcement_and_processing_are_apart,
    the_deliveries_of_a_deleted_integration_are_gone,
    the_handler_of_the_type_gets_it,
    what_is_processed_is_not_handled_again,
    without_a_map_the_generic_handler_gets_all,
);
