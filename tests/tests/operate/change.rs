//! Parked jobs are retried and forgotten, and nothing else is.

use std::time::Duration;

use chrono::TimeDelta;
use events_core::ParkReason;
use events_std::{FailedFilter, JobId, StoreError, Tx, Worker};

use crate::kit::{OrderPaid, Shop, on_every_database};

#[test]
fn a_retried_job_runs_again_with_all_its_attempts() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(1).await;
        let failed = shop.store.failed(&shop.events);
        assert!(failed.retry(1).await.unwrap());
        assert!(!failed.retry(1).await.unwrap(), "it is parked no more");
        assert!(!failed.retry(99).await.unwrap());
        assert_eq!(shop.states().await, [1, 0, 0, 1]);
        let fenced = "SELECT COUNT(*) FROM events_jobs WHERE id = 1 AND state = 0 AND attempts = 0 AND fence = 2 \
                      AND worker IS NULL AND expires_at IS NULL AND reason = 'exhausted' AND error IS NOT NULL";
        assert_eq!(shop.number(fenced).await, 1);

        // It fails again, and is parked again.
        shop.work().await;
        assert_eq!(shop.states().await, [0, 0, 0, 2]);
        shop.repair();
        let uid = failed.show(1).await.unwrap().expect("parked").job.id;
        assert!(failed.retry(uid).await.unwrap());
        assert!(failed.retry(JobId::Number(2)).await.unwrap());
        shop.work().await;
        assert_eq!(shop.states().await, [0, 0, 2, 0]);
    });
}

#[test]
fn a_running_job_is_never_touched() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(1).await;
        shop.order(2).await;
        shop.execute("UPDATE events_jobs SET state = 1, fence = 7 WHERE id IN (1, 3)")
            .await;
        shop.execute("UPDATE events_jobs SET state = 2, fence = 7 WHERE id = 4")
            .await;
        let failed = shop.store.failed(&shop.events);
        let all = FailedFilter::new();
        for number in [1, 3, 4] {
            assert!(!failed.retry(number).await.unwrap());
            assert!(!failed.forget(number).await.unwrap());
        }
        assert_eq!(failed.retry_all(&all).await.unwrap(), 1);
        assert_eq!(failed.flush(&all).await.unwrap(), 0);
        assert_eq!(shop.states().await, [1, 2, 1, 0]);
        let untouched = "SELECT COUNT(*) FROM events_jobs WHERE fence = 7";
        assert_eq!(shop.number(untouched).await, 3);
    });
}

#[test]
fn those_that_a_filter_names_are_retried_and_a_repetition_finds_none() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(3).await;
        let failed = shop.store.failed(&shop.events);
        let mail = FailedFilter::new().queue("mail");
        assert_eq!(failed.retry_all(&mail).await.unwrap(), 3);
        assert_eq!(failed.retry_all(&mail).await.unwrap(), 0);
        assert_eq!(shop.states().await, [3, 0, 0, 3]);
    });
}

/// Orders as parked jobs, without a run.
async fn parked(shop: &Shop, orders: u32) {
    let bound = shop.store.with_events(&shop.events);
    bound
        .transaction(async |tx: &Tx| {
            for order in 1..=orders {
                tx.dispatch(&OrderPaid { order }).await.unwrap();
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    shop.execute("UPDATE events_jobs SET state = 3, reason = 'exhausted', error = 'no'")
        .await;
}

#[test]
fn operators_at_once_share_many_jobs_without_loss() {
    on_every_database(async |shop: Shop| {
        parked(&shop, 1_600).await;
        let all = FailedFilter::new();
        let operators: Vec<_> = (0..4)
            .map(|_| {
                let (failed, all) = (shop.store.failed(&shop.events), all.clone());
                tokio::spawn(async move { failed.retry_all(&all).await.unwrap() })
            })
            .collect();
        let mut retried = 0;
        for operator in operators {
            retried += operator.await.unwrap();
        }
        assert_eq!(retried, 3_200);
        assert_eq!(shop.states().await, [3_200, 0, 0, 0]);
        assert_eq!(shop.number("SELECT MAX(fence) FROM events_jobs").await, 1);

        shop.execute("UPDATE events_jobs SET state = 3").await;
        let failed = shop.store.failed(&shop.events);
        assert_eq!(failed.flush(&all).await.unwrap(), 3_200);
        assert_eq!(shop.states().await, [0, 0, 0, 0]);
    });
}

#[test]
fn a_job_is_retried_even_where_an_equal_one_waits() {
    on_every_database(async |shop: Shop| {
        for _ in 0..3 {
            shop.failed_orders(1).await;
        }
        let kept = "SELECT COUNT(*) FROM events_jobs WHERE unique_key = '1' AND state = 0";
        let failed = shop.store.failed(&shop.events);
        let stock = FailedFilter::new().queue("stock");
        // Three equal ones are retried at once: one of them keeps others away.
        assert_eq!(failed.retry_all(&stock).await.unwrap(), 3);
        assert_eq!(shop.number(kept).await, 1);
        assert_eq!(shop.states().await, [3, 0, 0, 3]);
        shop.work().await;
        shop.order(1).await;
        assert_eq!(shop.number(kept).await, 1);
        assert_eq!(failed.retry_all(&stock).await.unwrap(), 3);
        assert_eq!(shop.number(kept).await, 1, "that of the new job");
        shop.repair();
        shop.work().await;
        assert_eq!(shop.states().await, [0, 0, 5, 3]);
    });
}

#[test]
fn a_job_under_which_the_process_died_runs_alone() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(1).await;
        shop.execute("UPDATE events_jobs SET reason = 'crashed' WHERE id = 1")
            .await;
        let failed = shop.store.failed(&shop.events);
        assert_eq!(failed.retry_all(&FailedFilter::new()).await.unwrap(), 2);
        let alone = "SELECT id FROM events_jobs WHERE alone";
        assert_eq!(shop.number(alone).await, 1);
        shop.repair();
        shop.work().await;
        assert_eq!(shop.states().await, [0, 0, 2, 0]);
    });
}

#[test]
fn forgotten_jobs_are_gone() {
    on_every_database(async |shop: Shop| {
        let started = shop.events.now();
        shop.failed_orders(3).await;
        let failed = shop.store.failed(&shop.events);
        assert!(failed.forget(1).await.unwrap());
        assert!(!failed.forget(1).await.unwrap());
        let old = FailedFilter::new().parked_before(started + TimeDelta::minutes(2));
        assert_eq!(failed.flush(&old).await.unwrap(), 3);
        assert_eq!(failed.flush(&old).await.unwrap(), 0);
        let crashed = FailedFilter::new().reason(ParkReason::Crashed);
        assert_eq!(failed.flush(&crashed).await.unwrap(), 0);
        assert_eq!(shop.states().await, [0, 0, 0, 2]);
        // A number is never given twice.
        assert_eq!(failed.flush(&FailedFilter::new()).await.unwrap(), 2);
        shop.order(4).await;
        assert_eq!(shop.number("SELECT MIN(id) FROM events_jobs").await, 7);
    });
}

#[test]
fn inside_a_transaction_it_is_refused_instead_of_waiting_for_it() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(1).await;
        let failed = shop.store.failed(&shop.events);
        let bound = shop.store.with_events(&shop.events);
        let refused = bound
            .transaction(async |_: &Tx| failed.retry(1).await)
            .await;
        assert!(matches!(refused, Err(StoreError::TransactionOpen)));
        assert_eq!(shop.states().await, [0, 0, 0, 2]);
    });
}

#[test]
fn a_worker_that_waits_wakes_at_a_retry() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(1).await;
        shop.repair();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = Worker::new(&shop.events, &shop.store).poll_every(Duration::from_mins(10));
        let running = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        let workers = "SELECT COUNT(*) FROM events_workers";
        wait_until(async || shop.number(workers).await == 1).await;
        let failed = shop.store.failed(&shop.events);
        assert_eq!(failed.retry_all(&FailedFilter::new()).await.unwrap(), 2);
        wait_until(async || shop.states().await == [0, 0, 2, 0]).await;
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
    });
}

async fn wait_until(condition: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(std::time::Instant::now() < deadline, "it does not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
