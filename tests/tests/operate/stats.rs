//! The figures of the queues.

use std::time::Duration;

use chrono::TimeDelta;
use events_core::Events;
use events_std::{Lack, QueueStats, Worker};

use crate::kit::{Shop, on_every_database};

impl Shop {
    /// The figures as soon as a worker is there.
    async fn stats_of_a_worker(&self) -> QueueStats {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let stats = self.store.queue_stats(&self.events).await.unwrap();
            if !stats.workers.is_empty() {
                return stats;
            }
            assert!(tokio::time::Instant::now() < deadline, "no worker");
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn every_state_is_counted_by_queue() {
    on_every_database(async |shop: Shop| {
        let started = shop.events.now();
        shop.failed_orders(2).await;
        for order in 3..=5 {
            shop.order(order).await;
        }
        shop.execute("UPDATE events_jobs SET state = 1 WHERE id = 5")
            .await;
        shop.execute("UPDATE events_jobs SET state = 2 WHERE id = 6")
            .await;
        shop.execute("UPDATE events_jobs SET run_at = run_at + 60000 WHERE id IN (7, 8)")
            .await;
        shop.execute("UPDATE events_jobs SET queue = 'one' WHERE id BETWEEN 5 AND 10")
            .await;
        shop.clock.advance(TimeDelta::seconds(30));
        let stats = shop.store.queue_stats(&shop.events).await.unwrap();
        assert_eq!(stats.at, started + TimeDelta::seconds(150));
        let names: Vec<_> = stats.queues.iter().map(|queue| &*queue.queue).collect();
        assert_eq!(names, ["mail", "one", "stock"]);
        let one = &stats.queues[1];
        assert_eq!(
            (one.due, one.waiting, one.running, one.done, one.parked),
            (2, 2, 1, 1, 0)
        );
        assert_eq!(one.pending(), 4);
        assert_eq!(one.oldest_due, Some(started + TimeDelta::minutes(2)));
        assert_eq!(one.attempts, 0);
        let mail = &stats.queues[0];
        assert_eq!(
            (mail.due, mail.waiting, mail.parked, mail.attempts),
            (0, 0, 2, 2)
        );
        assert_eq!(mail.oldest_due, None);
    });
}

#[test]
fn an_empty_store_has_no_figures() {
    on_every_database(async |shop: Shop| {
        let stats = shop.store.queue_stats(&shop.events).await.unwrap();
        assert!(stats.queues.is_empty());
        assert!(stats.workers.is_empty());
        assert!(stats.unclaimed.is_empty());
    });
}

#[test]
fn what_no_live_worker_knows_is_told() {
    on_every_database(async |shop: Shop| {
        shop.repair();
        shop.order(1).await;
        let stats = shop.store.queue_stats(&shop.events).await.unwrap();
        assert_eq!(stats.unclaimed.len(), 2, "nobody works");
        assert!(stats.unclaimed.iter().all(|jobs| jobs.known_here));
        shop.execute("UPDATE events_jobs SET version = 2 WHERE id = 1")
            .await;
        shop.execute("UPDATE events_jobs SET listener = 'gone' WHERE id = 2")
            .await;

        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = Worker::new(&shop.events, &shop.store).name("alone");
        let running = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        let stats = shop.stats_of_a_worker().await;
        assert_eq!(stats.workers.len(), 1);
        let worker = &stats.workers[0];
        assert_eq!((&*worker.name, worker.running), ("alone", 0));
        assert_eq!(worker.process, i64::from(std::process::id()));
        let unclaimed: Vec<_> = stats
            .unclaimed
            .iter()
            .map(|jobs| (&*jobs.listener, jobs.version, jobs.count, jobs.known_here))
            .collect();
        assert_eq!(unclaimed.len(), 2);
        assert!(
            unclaimed.iter().all(|jobs| jobs.2 == 1 && !jobs.3),
            "{unclaimed:?}"
        );
        assert!(unclaimed.iter().any(|jobs| jobs.0 == "gone" && jobs.1 == 1));
        assert!(unclaimed.iter().any(|jobs| jobs.1 == 2));
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
    });
}

#[test]
fn a_worker_counts_while_its_lock_or_its_heartbeat_lives() {
    on_every_database(async |shop: Shop| {
        let now = shop.events.now().timestamp_millis();
        let enter = |name: &str, heartbeat: i64| {
            format!(
                "INSERT INTO events_workers (name, host, boot, process, claims, started_at, heartbeat_at) \
                 VALUES ('{name}', 'elsewhere', 'b', 1, '[]', {now}, {heartbeat})"
            )
        };
        shop.execute(&enter("lives", now - 59_000)).await;
        shop.execute(&enter("lapsed", now - 61_000)).await;
        // Each by its own measure.
        shop.execute(&enter("patient", now - 61_000)).await;
        shop.execute(&enter("strict", now - 6_000)).await;
        for (name, lapse) in [("patient", 62_000), ("strict", 5_000)] {
            let set = format!("UPDATE events_workers SET lapse = {lapse} WHERE name = '{name}'");
            shop.execute(&set).await;
        }
        let events: &Events = &shop.events;
        let stats = shop.store.queue_stats(events).await.unwrap();
        let names: Vec<_> = stats.workers.iter().map(|worker| &*worker.name).collect();
        assert_eq!(names, ["lives", "patient"]);
    });
}

#[test]
fn jobs_in_a_queue_that_no_worker_serves_are_told_from_those_that_none_knows() {
    on_every_database(async |shop: Shop| {
        shop.order(1).await;
        shop.order(2).await;
        shop.execute("UPDATE events_jobs SET listener = 'gone' WHERE id = 3")
            .await;
        shop.execute("UPDATE events_jobs SET state = 2 WHERE queue = 'mail' AND id <> 3")
            .await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = Worker::new(&shop.events, &shop.store).queues(["mail"]);
        let running = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        let stats = shop.stats_of_a_worker().await;
        assert_eq!(stats.workers[0].queues, ["mail"]);
        let of = |queue: &str| {
            let jobs = stats.unclaimed.iter().filter(|jobs| jobs.queue == queue);
            jobs.map(|jobs| (jobs.lack, jobs.count)).collect::<Vec<_>>()
        };
        assert_eq!(of("mail"), [(Lack::Knowledge, 1)]);
        assert_eq!(of("stock"), [(Lack::Service, 2)]);
        let text = shop.prints("queue stats").await;
        assert!(
            text.contains("\n2 pending jobs in queues that no worker serves\n"),
            "{text}"
        );
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
    });
}
