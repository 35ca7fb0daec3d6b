//! Parked jobs are listed, shown and grouped.

use chrono::TimeDelta;
use events_core::ParkReason;
use events_std::{FailedFilter, FailedJob, JobId};

use crate::kit::{Shop, on_every_database};

fn numbers(jobs: &[FailedJob]) -> Vec<i64> {
    jobs.iter().map(|job| job.number).collect()
}

#[test]
fn pages_follow_each_other_without_gap() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(3).await;
        let failed = shop.store.failed(&shop.events);
        let all = FailedFilter::new();
        assert_eq!(failed.count(&all).await.unwrap(), 6);
        let first = failed.list(&all, None, 4).await.unwrap();
        assert_eq!(numbers(&first.jobs), [6, 5, 4, 3]);
        let second = failed.list(&all, first.next, 4).await.unwrap();
        assert_eq!(numbers(&second.jobs), [2, 1]);
        assert_eq!(second.next, None);
        let whole = failed.list(&all, None, 6).await.unwrap();
        assert_eq!((whole.jobs.len(), whole.next), (6, None));
    });
}

#[test]
fn a_filter_lets_through_what_it_names() {
    on_every_database(async |shop: Shop| {
        let started = shop.events.now();
        shop.failed_orders(3).await;
        shop.execute("UPDATE events_jobs SET reason = 'crashed' WHERE id = 1")
            .await;
        shop.execute("UPDATE events_jobs SET event = 'order.lost' WHERE id = 2")
            .await;
        let failed = shop.store.failed(&shop.events);
        let filter = FailedFilter::new;
        let cases = [
            (filter().queue("mail"), 3),
            (filter().queue("none"), 0),
            (filter().event("order.lost"), 1),
            (filter().listener("take_from_stock"), 3),
            (filter().reason(ParkReason::Crashed), 1),
            (filter().reason(ParkReason::Exhausted), 5),
            (filter().parked_before(started), 0),
            (filter().parked_before(started + TimeDelta::minutes(2)), 4),
            (
                filter()
                    .event("order.paid")
                    .reason(ParkReason::Exhausted)
                    .parked_before(started + TimeDelta::minutes(1)),
                0,
            ),
            (filter().queue("'; DROP TABLE events_jobs; --"), 0),
        ];
        for (filter, count) in cases {
            assert_eq!(failed.count(&filter).await.unwrap(), count, "{filter:?}");
            let page = failed.list(&filter, None, 10).await.unwrap();
            assert_eq!(page.jobs.len() as u64, count, "{filter:?}");
        }
    });
}

#[test]
fn one_is_shown_with_all_that_is_known() {
    on_every_database(async |shop: Shop| {
        let dispatched = shop.events.now();
        shop.failed_orders(1).await;
        let failed = shop.store.failed(&shop.events);
        let all = failed.list(&FailedFilter::new(), None, 10).await.unwrap();
        let listed = all
            .jobs
            .iter()
            .find(|job| job.listener == "take_from_stock")
            .expect("it is parked");
        let details = failed.show(listed.number).await.unwrap().expect("parked");
        assert_eq!(details.job, *listed);
        assert_eq!(
            (&*listed.queue, &*listed.event, listed.version),
            ("stock", "order.paid", 1)
        );
        assert_eq!(
            (&*listed.reason, &*listed.error, listed.attempts),
            ("exhausted", "order 1 is not in stock", 1)
        );
        assert_eq!(listed.parked_at, dispatched);
        assert_eq!(details.payload, r#"{"order":1}"#);
        assert_eq!(details.delivery.at, dispatched);
        assert_eq!(details.delivery.correlation_id, details.delivery.id);
        assert_eq!(details.delivery.causation_id, None);
        assert_eq!(details.unique_key.as_deref(), Some("1"));
        assert_eq!(details.fence, 1);
        let by_id = failed.show(listed.id).await.unwrap();
        assert_eq!(by_id, Some(details));

        // Whatever is not parked is not shown.
        assert_eq!(failed.show(JobId::Number(99)).await.unwrap(), None);
        shop.execute("UPDATE events_jobs SET state = 1").await;
        assert_eq!(failed.show(listed.number).await.unwrap(), None);
    });
}

#[test]
fn jobs_with_one_cause_stand_together() {
    on_every_database(async |shop: Shop| {
        let started = shop.events.now();
        shop.failed_orders(3).await;
        shop.execute(
            "UPDATE events_jobs SET error = NULL, reason = NULL WHERE queue = 'stock' AND id < 3",
        )
        .await;
        let failed = shop.store.failed(&shop.events);
        let causes = failed.causes(&FailedFilter::new()).await.unwrap();
        assert_eq!(causes.len(), 4);
        let first = &causes[0];
        assert_eq!(
            (&*first.reason, &*first.listener, &*first.error, first.count),
            ("exhausted", "send_receipt", "the mail server is away", 3)
        );
        assert_eq!(
            (first.oldest, first.newest),
            (started, started + TimeDelta::minutes(2))
        );
        let errors: Vec<_> = causes.iter().map(|cause| &*cause.error).collect();
        assert_eq!(
            errors,
            [
                "the mail server is away",
                "order 3 is not in stock",
                "order 2 is not in stock",
                ""
            ]
        );
        let mail = failed.causes(&FailedFilter::new().queue("mail")).await;
        assert_eq!(mail.unwrap(), causes[..1]);
    });
}
