//! Many at once, and clients that hang up.

use http::StatusCode;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::hub::{HubBench, Sent, duplicate, queued, send, until};
use crate::kit::on_both;

/// 100 simultaneous copies: one row, one announcement, one processing, 100 replies of 2xx.
async fn of_a_hundred_copies_one_is_stored(url: String) {
    let hub = HubBench::new(url).await;
    let mut copies = JoinSet::new();
    for _ in 0..100 {
        let (router, sent) = (hub.router.clone(), Sent::new("d-1", "push", "{}"));
        copies.spawn(async move { send(&router, &sent).await });
    }
    let answers = copies.join_all().await;
    let first = answers.iter().filter(|answer| **answer == queued());
    assert_eq!(first.count(), 1, "{answers:?}");
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
    let others = answers.iter().filter(|answer| **answer == duplicate());
    assert_eq!(others.count(), 99);
    assert_eq!(hub.rows().await.len(), 1);
    let announced = "events_jobs WHERE listener = '*'";
    assert_eq!(hub.bench.count(announced).await, 1);
    hub.work().await;
    assert_eq!(hub.hub.calls(), [("push", Some(1))]);
    assert_eq!(hub.names(), ["operation.completed", "webhook.received"]);
}

/// What was begun is brought to its end though the client hangs up: the row never stands without its jobs.
async fn a_client_that_hangs_up_parts_nothing(url: String) {
    let hub = HubBench::new(url).await;
    for polls in 0..40 {
        let sent = Sent::new(&format!("d-{polls}"), "push", "{}");
        let mut answering = Box::pin(hub.router.clone().oneshot(sent.request()));
        for _ in 0..polls {
            let ended = std::future::poll_fn(|task| {
                let polled = answering.as_mut().poll(task);
                std::task::Poll::Ready(polled.is_ready())
            });
            if ended.await {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // What goes on behind the dropped calls comes to its end.
    until("each row has its jobs", async || {
        let rows = hub.bench.count("events_webhooks").await;
        rows >= 39 && hub.bench.count("events_jobs").await == 2 * rows
    })
    .await;
    hub.work().await;
    let rows = hub.rows().await.len();
    assert_eq!(hub.hub.calls().len(), rows);
}

on_both!(
    a_client_that_hangs_up_parts_nothing,
    of_a_hundred_copies_one_is_stored
);
