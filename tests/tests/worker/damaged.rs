//! Rows that something else has damaged.

use std::sync::Mutex;

use events_core::{Event, Events, State, listener};
use events_std::{FailedFilter, StoreError, Tx, Worker};
use sea_orm::ConnectionTrait;

use crate::kit::{Base, Kind, number, runtime, states};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "damaged.step")]
struct Step(u32);

#[listener(Step, queue, order_by = key)]
async fn step(event: &Step, ran: &State<Mutex<Vec<u32>>>) {
    ran.lock().unwrap().push(event.0);
}

fn key(step: &Step) -> String {
    format!("\"{}\"\n", step.0)
}

/// Postgres stores none of these values in such columns.
#[test]
fn a_row_that_cannot_be_read_is_parked_and_the_others_run() {
    runtime().block_on(async {
        let base = Base::of(Kind::Sqlite).await.unwrap();
        let store = base.store().await;
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(Mutex::new(Vec::<u32>::new()))
            .queue(store.queue())
            .build()
            .unwrap();
        let all = async |tx: &Tx| {
            for number in 1..=6 {
                tx.dispatch(&Step(number)).await.unwrap();
            }
            Ok::<_, StoreError>(())
        };
        store.with_events(&events).transaction(all).await.unwrap();
        for (id, damage) in [
            (2, "payload = CAST(x'5bff5d' AS TEXT)"),
            (3, "uid = 'none'"),
            (4, "dispatched_at = 'yesterday'"),
            (5, "payload = x'5bff5d'"),
        ] {
            let damage = format!("UPDATE events_jobs SET {damage} WHERE id = {id}");
            store.writer().execute_unprepared(&damage).await.unwrap();
        }
        Worker::new(&events, &store).drain().await.unwrap();
        let mut ran = events
            .state::<Mutex<Vec<u32>>>()
            .unwrap()
            .lock()
            .unwrap()
            .clone();
        ran.sort_unstable(); // jobs of two keys run side by side
        assert_eq!(ran, [1, 6]);
        assert_eq!(states(&store).await, [0, 0, 2, 4]);
        let unreadable = "SELECT COUNT(*) FROM events_jobs WHERE reason = 'undecodable' \
                          AND error LIKE 'its row cannot be read: %'";
        assert_eq!(number(&store, unreadable).await, 4);
        let failed = store.failed(&events);
        let page = failed.list(&FailedFilter::default(), None, 10).await;
        let jobs = page.unwrap().jobs;
        let numbers: Vec<i64> = jobs.iter().map(|job| job.number).collect();
        assert_eq!(numbers, [5, 4, 3, 2]);
        assert!(jobs[2].id.is_nil() && !jobs[1].id.is_nil());
        for number in numbers {
            let details = failed.show(number).await.unwrap().unwrap();
            assert_eq!(details.job.reason, "undecodable");
            assert!(details.job.error.starts_with("its row cannot be read: "));
        }
        store.close().await.unwrap();
        base.remove().await;
    });
}
