//! What an operator does: replay, recovery, lists, retention.

use std::time::Duration;

use chrono::TimeDelta;
use events_std::webhook::{WebhookError, WebhookFilter};
use events_std::{FailedFilter, IntegrationWebhook, StoreError, WebhookStatus};

use crate::hub::{Fate, HubBench, Sent, duplicate, queued, send, until};
use crate::kit::on_both;

use WebhookStatus::{Failed, Pending, Processed};

/// Replay by id runs the handler on the stored bytes and all headers (better), logs `webhook_replay`, changes no status.
async fn a_replay_runs_the_handler_on_what_was_stored(url: String) {
    let hub = HubBench::new(url).await;
    hub.send("d-1", "push", r#"{"ref":"main"}"#).await;
    hub.work().await;
    let (row, first) = (hub.only_row().await, hub.hub.handled());
    hub.bench.heard.take();
    let log = hub.bench.engine.replay_webhook(row.id).await.unwrap();
    assert_eq!(
        (&*log.operation, &*log.status),
        ("webhook_replay", "success")
    );
    assert_eq!(log.external_id.as_deref(), Some("d-1"));
    let replayed = hub.hub.handled();
    let ((_, _, first), (handler, attempt, replayed)) = (&first[0], &replayed[0]);
    assert_eq!((*handler, *attempt), ("push", None));
    assert!(replayed.is_replay() && !first.is_replay());
    assert_eq!(replayed.body(), first.body());
    assert_eq!(replayed.webhook.headers, first.webhook.headers);
    assert_eq!(replayed.webhook.headers.len(), 4);
    assert_eq!(hub.only_row().await, row, "it changes no status");
    assert_eq!(hub.bench.heard.names(), ["operation.completed"]);
    assert_eq!(hub.bench.count("events_jobs WHERE state < 2").await, 0);
}

async fn a_replay_that_fails_says_so(url: String) {
    let hub = HubBench::new(url).await;
    hub.send("d-1", "push", "{}").await;
    hub.work().await;
    let id = hub.only_row().await.id;
    for fate in [Fate::Fails, Fate::Panics] {
        hub.hub.will([fate]);
        let log = hub.bench.engine.replay_webhook(id).await.unwrap();
        assert_eq!(
            (&*log.operation, &*log.status),
            ("webhook_replay", "failed")
        );
        assert!(log.error.is_some());
        assert_eq!(hub.status().await, (Processed, 1, None));
    }
    let gone = hub.bench.engine.replay_webhook(id + 1).await.unwrap_err();
    assert!(matches!(gone, WebhookError::NotFound(_)), "{gone}");
    let engine = &hub.bench.engine;
    let store = hub.bench.store.with_events(&hub.bench.events);
    let inside = store
        .transaction(async |_| Ok::<_, StoreError>(engine.replay_webhook(id).await))
        .await
        .unwrap()
        .unwrap_err();
    assert!(inside.to_string().contains("transaction open"), "{inside}");
}

async fn failed(hub: &HubBench, id: &str) -> IntegrationWebhook {
    hub.hub.will([Fate::Fails; 3]);
    assert_eq!(hub.send(id, "push", "{}").await, queued());
    for seconds in [0, 10, 60] {
        hub.work_after(seconds).await;
    }
    let row = hub.rows().await.remove(0);
    assert_eq!(row.status, Failed);
    hub.hub.calls();
    hub.bench.heard.take();
    row
}

/// A failed one can be queued again; it fires nothing but what the handler's end fires.
async fn what_failed_can_be_queued_again(url: String) {
    let hub = HubBench::new(url).await;
    let row = failed(&hub, "d-1").await;
    let recovered = hub.bench.engine.recover_webhook(row.id).await.unwrap();
    assert_eq!((recovered.status, recovered.attempts), (Pending, 0));
    assert_eq!(
        hub.bench.count("events_jobs WHERE state = 3").await,
        0,
        "its parked job is gone"
    );
    let again = hub.bench.engine.recover_webhook(row.id).await.unwrap_err();
    assert!(
        matches!(
            again,
            WebhookError::NotFailed {
                status: Pending,
                ..
            }
        ),
        "{again}"
    );
    hub.work().await;
    assert_eq!(hub.hub.calls(), [("push", Some(1))]);
    assert_eq!(hub.status().await, (Processed, 1, None));
    assert_eq!(
        hub.bench.heard.names(),
        ["operation.completed"],
        "`webhook.received` fires once"
    );
    let done = hub.bench.engine.recover_webhook(row.id).await.unwrap_err();
    assert!(
        matches!(
            done,
            WebhookError::NotFailed {
                status: Processed,
                ..
            }
        ),
        "{done}"
    );
    assert_eq!(hub.send("d-1", "push", "{}").await, duplicate());
}

/// So does a retry of its parked job.
async fn the_parked_job_can_be_retried(url: String) {
    let hub = HubBench::new(url).await;
    failed(&hub, "d-1").await;
    let parked = hub.bench.store.failed(&hub.bench.events);
    assert_eq!(parked.retry_all(&FailedFilter::new()).await.unwrap(), 1);
    hub.work().await;
    assert_eq!(hub.status().await, (Processed, 1, None));
}

/// A delivery whose job is gone, as where an operator deleted it, is not stuck.
async fn what_lost_its_job_can_be_queued_again(url: String) {
    let hub = HubBench::new(url).await;
    hub.send("d-1", "push", "{}").await;
    hub.execute("DELETE FROM events_jobs").await;
    let id = hub.only_row().await.id;
    hub.bench.engine.recover_webhook(id).await.unwrap();
    hub.work().await;
    assert_eq!(hub.status().await, (Processed, 1, None));
}

/// A job that is parked where nobody tells its row, as one that no worker knew, leaves no delivery behind: it is listed as
/// failed, all are queued again at once, and nobody forgets it as long as its job is parked.
async fn what_was_parked_without_a_word_has_failed(url: String) {
    let hub = HubBench::new(url).await;
    for id in ["waits", "parked", "deleted", "begun"] {
        hub.send(id, "push", "{}").await;
    }
    let of = |id: &str| format!("unique_key = '{}/{id}'", hub.integration.id);
    for id in ["parked", "begun"] {
        let set = "UPDATE events_jobs SET state = 3, reason = 'unknown_listener'";
        hub.execute(&format!("{set} WHERE {}", of(id))).await;
    }
    hub.execute(&format!("DELETE FROM events_jobs WHERE {}", of("deleted")))
        .await;
    hub.execute("UPDATE events_webhooks SET status = 'processing', error = 'as it was' WHERE provider_delivery_id = 'begun'")
        .await;
    let engine = &hub.bench.engine;
    let list = async |status| {
        let filter = WebhookFilter::new().integration(hub.integration.id);
        let rows = engine.list_webhooks(filter.status(status)).await.unwrap();
        let ids = rows.into_iter().map(|row| row.provider_delivery_id);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list(Failed).await, ["begun", "deleted", "parked"]);
    assert_eq!(list(Pending).await, ["waits"]);
    assert_eq!(list(WebhookStatus::Processing).await, [""; 0]);
    let rows = hub.rows().await;
    assert_eq!(rows[0].error.as_deref(), Some("as it was"));
    let said = rows[2].error.as_deref().unwrap();
    assert!(said.contains("parked or deleted"), "{said}");
    let one = engine.webhook(rows[1].id).await.unwrap().unwrap();
    assert_eq!(one, rows[1]);
    hub.bench.clock.advance(TimeDelta::days(31));
    assert_eq!(
        engine.prune_webhooks().await.unwrap(),
        1,
        "the one without a job"
    );
    assert_eq!(engine.recover_webhooks(None).await.unwrap(), 2);
    assert_eq!(engine.recover_webhooks(None).await.unwrap(), 0);
    assert_eq!(list(Pending).await, ["begun", "parked", "waits"]);
    hub.work().await;
    assert_eq!(hub.hub.calls(), [("push", Some(1)); 3]);
}

async fn all_that_failed_can_be_queued_again(url: String) {
    let hub = HubBench::new(url).await;
    for id in ["d-1", "d-2", "d-3"] {
        failed(&hub, id).await;
    }
    let engine = &hub.bench.engine;
    assert_eq!(
        engine
            .recover_webhooks(Some(hub.integration.id + 1))
            .await
            .unwrap(),
        0
    );
    assert_eq!(engine.recover_webhooks(None).await.unwrap(), 3);
    assert_eq!(engine.recover_webhooks(None).await.unwrap(), 0);
    hub.work().await;
    assert_eq!(hub.hub.calls(), [("push", Some(1)); 3]);
}

async fn a_list_is_filtered(url: String) {
    let hub = HubBench::new(url).await;
    failed(&hub, "d-1").await;
    hub.send("d-2", "ping", "{}").await;
    hub.send("d-3", "push", "{}").await;
    let list = async |filter: WebhookFilter| {
        let rows = hub.bench.engine.list_webhooks(filter).await.unwrap();
        let ids = rows.into_iter().map(|row| row.provider_delivery_id);
        ids.collect::<Vec<_>>()
    };
    let filter = WebhookFilter::new;
    assert_eq!(list(filter()).await, ["d-3", "d-2", "d-1"]);
    assert_eq!(list(filter().limit(1)).await, ["d-3"]);
    assert_eq!(list(filter().status(Failed)).await, ["d-1"]);
    assert_eq!(list(filter().event_type("push")).await, ["d-3", "d-1"]);
    let before = hub.rows().await[0].id;
    assert_eq!(list(filter().before(before).status(Pending)).await, ["d-2"]);
    assert_eq!(
        list(filter().integration(hub.integration.id + 1)).await,
        [""; 0]
    );
}

/// Whoever retries a parked job finds its delivery, however old.
async fn a_delivery_whose_job_is_parked_stays(url: String) {
    let hub = HubBench::new(url).await;
    failed(&hub, "d-1").await;
    hub.bench.clock.advance(TimeDelta::days(31));
    let prune = async || hub.bench.engine.prune_webhooks().await.unwrap();
    assert_eq!(prune().await, 0);
    let parked = hub.bench.store.failed(&hub.bench.events);
    assert_eq!(parked.retry_all(&FailedFilter::new()).await.unwrap(), 1);
    assert_eq!(prune().await, 0, "its job waits again");
    hub.hub.will([Fate::Fails; 3]);
    for seconds in [0, 10, 60] {
        hub.work_after(seconds).await;
    }
    hub.bench.clock.advance(TimeDelta::days(31));
    assert_eq!(parked.flush(&FailedFilter::new()).await.unwrap(), 1);
    assert_eq!(prune().await, 1);
}

/// Webhooks have a retention, bounded by default, that spares rows whose job is not done.
async fn old_deliveries_are_forgotten(url: String) {
    let hub = HubBench::new(url).await;
    hub.send("d-1", "push", "{}").await;
    hub.work().await;
    hub.send("d-2", "push", "{}").await;
    let prune = async || hub.bench.engine.prune_webhooks().await.unwrap();
    hub.bench.clock.advance(TimeDelta::days(30));
    assert_eq!(prune().await, 0);
    hub.bench.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(prune().await, 1);
    assert_eq!(
        hub.only_row().await.provider_delivery_id,
        "d-2",
        "its job is not done"
    );
}

/// As long as a captured delivery would be verified once more, it is a duplicate; and so it is where all are kept.
async fn a_delivery_is_kept_as_long_as_it_is_said(url: String) {
    let (minute, hour) = (TimeDelta::minutes(1), TimeDelta::hours(1));
    for (kept, least) in [
        (Some(Duration::ZERO), Some(hour)),
        (Some(Duration::from_mins(1)), Some(hour)),
        (Some(Duration::from_hours(2)), Some(hour * 2)),
        (None, None),
    ] {
        let hub = HubBench::keeping(url.clone(), kept).await;
        hub.execute("DELETE FROM events_webhooks").await;
        let path = format!("/hub/{}/webhook", hub.integration.id);
        let sent = Sent::new("d-1", "push", "{}").to(path);
        send(&hub.router, &sent).await;
        hub.work().await;
        let prune = async || hub.bench.engine.prune_webhooks().await.unwrap();
        let clock = &hub.bench.clock;
        clock.advance(least.unwrap_or(TimeDelta::days(10_000)) - minute);
        assert_eq!(prune().await, 0, "{kept:?}");
        assert_eq!(send(&hub.router, &sent).await, duplicate(), "{kept:?}");
        clock.advance(minute * 2);
        assert_eq!(prune().await, u64::from(least.is_some()), "{kept:?}");
    }
}

/// The routes forget what is too old by themselves.
async fn the_routes_forget_what_is_too_old(url: String) {
    let hub = HubBench::new(url).await;
    hub.execute(
        "INSERT INTO events_webhooks (integration_id, provider, provider_delivery_id, payload, headers, status, \
         created_at, updated_at) VALUES (1, 'hub', 'old', '', '{}', 'processed', 0, 0)",
    )
    .await;
    hub.bench.clock.advance(TimeDelta::days(31));
    hub.send("d-1", "push", "{}").await;
    until("the old one is forgotten", async || {
        hub.rows().await.len() == 1
    })
    .await;
    assert_eq!(hub.only_row().await.provider_delivery_id, "d-1");
}

/// So they do with what else is written: in a program with routes alone nobody else would.
async fn the_routes_forget_old_operations_and_requests(url: String) {
    let hub = HubBench::new(url).await;
    let of = hub.integration.id;
    hub.execute(&format!(
        "INSERT INTO events_operations (integration_id, operation, direction, status, created_at, updated_at) \
         VALUES ({of}, 'old', 'inbound', 'success', 0, 0)"
    ))
    .await;
    hub.execute(&format!(
        "INSERT INTO events_requests (integration_id, endpoint, method, created_at, updated_at) \
         VALUES ({of}, '/old', 'GET', 0, 0)"
    ))
    .await;
    hub.send("d-1", "push", "{}").await;
    until("they are forgotten", async || {
        let operations = hub.bench.count("events_operations WHERE operation = 'old'");
        operations.await + hub.bench.count("events_requests").await == 0
    })
    .await;
}

on_both!(
    a_delivery_is_kept_as_long_as_it_is_said,
    the_routes_forget_old_operations_and_requests,
    a_delivery_whose_job_is_parked_stays,
    the_routes_forget_what_is_too_old,
    a_list_is_filtered,
    a_replay_runs_the_handler_on_what_was_stored,
    a_replay_that_fails_says_so,
    all_that_failed_can_be_queued_again,
    old_deliveries_are_forgotten,
    the_parked_job_can_be_retried,
    what_failed_can_be_queued_again,
    what_lost_its_job_can_be_queued_again,
    what_was_parked_without_a_word_has_failed,
);
