//! When an event changes: programs of two versions share a store, and nothing that one of them wrote is lost.
//! (`tests/upgrades` has two such programs, which work at one store at once.)
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use events_core::{Delivery, Event, Events, Job, ManualClock, Queue, listener, upcaster};
use events_std::{FailedFilter, Store, Worker};
use serde_json::{Value, json};
use uuid::Uuid;

/// Last year it was `struct OrderPaid { order: u64 }`. With the new field it has a new version.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid", version = 2)]
struct OrderPaid {
    order: u64,
    currency: String,
}

/// Turns what last year's program has stored into today's form.
#[upcaster(OrderPaid, from = 1)]
fn with_currency(mut payload: Value) -> Value {
    payload["currency"] = json!("EUR");
    payload
}

#[listener(OrderPaid, name = "receipt", queue)]
async fn receipt(event: &OrderPaid) {
    let OrderPaid { order, currency } = event;
    println!("order {order}: a receipt in {currency}");
}

/// A job as last year's program has pushed it, for a listener of its own.
fn of_last_year(events: &Events, listener: &str) -> Job {
    let (id, at) = (Uuid::now_v7(), events.now());
    Job {
        id,
        queue: "default".to_owned(),
        event: "order.paid".to_owned(),
        version: 1,
        payload: r#"{"order":1}"#.into(),
        listener: listener.to_owned(),
        delivery: Delivery {
            id,
            at,
            correlation_id: id,
            causation_id: None,
        },
        run_at: at,
        expires_at: None,
        unique_key: None,
        unique_until: None,
        order_key: None,
        formerly: &[],
        trace: None,
        attempts: 0,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let store = Store::connect("sqlite::memory:").await?;
    let clock = Arc::new(ManualClock::default());
    let builder = Events::builder().queue(store.queue()).clock(clock.clone());
    let events = builder.build()?;

    // Two jobs wait for last year's program; nobody sends faxes any more.
    let jobs = ["receipt", "fax"].map(|listener| of_last_year(&events, listener));
    store.queue().push(jobs.into()).await?;
    let currency = "CHF".to_owned();
    events.dispatch(&OrderPaid { order: 2, currency }).await?;

    // Today's worker claims what it knows, and what upcasters lead to: both receipts.
    Worker::new(&events, &store).drain().await?;

    println!("what no worker knows stays, and is shown:");
    for jobs in store.queue_stats(&events).await?.unclaimed {
        let (count, event, version) = (jobs.count, jobs.event, jobs.version);
        println!("  {count} of `{}` for {event} v{version}", jobs.listener);
    }

    // Last year's program may still come for it. After seven days in which a worker lived and none knew it, it is parked,
    // from where it can be had back.
    let (failed, all) = (store.failed(&events), FailedFilter::new());
    while failed.count(&all).await? == 0 {
        clock.advance(TimeDelta::days(1));
        let moment = tokio::time::sleep(Duration::from_millis(20));
        Worker::new(&events, &store).run_until(moment).await?;
    }
    for job in failed.list(&all, None, 10).await?.jobs {
        println!("a week later it is parked: {}, {}", job.reason, job.error);
    }
    println!("{} is to be had back", failed.retry_all(&all).await?);
    Ok(())
}
