//! Jobs of one order key while an operator retries an earlier one.

use std::sync::Mutex;
use std::time::Duration;

use events_core::{Event, Events, State, listener};
use events_std::{StoreError, Tx, Worker};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::kit::{Base, Kind, number, runtime, states, until};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "ordered.step")]
struct Step(u32);

fn one_key(_: &Step) -> &'static str {
    "key"
}

#[listener(Step, queue, order_by = one_key)]
async fn step(event: &Step, ran: &State<Mutex<Vec<u32>>>) {
    ran.lock().unwrap().push(event.0);
}

/// SQLite has one writer: a claim sees all that was written before.
#[test]
fn a_claim_that_cannot_see_another_yet_gives_way_to_it() {
    runtime().block_on(async {
        let Some(base) = Base::of(Kind::Postgres).await else {
            return;
        };
        let store = base.store().await;
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(Mutex::new(Vec::<u32>::new()))
            .queue(store.queue())
            .build()
            .unwrap();
        let ran = || events.state::<Mutex<Vec<u32>>>().unwrap().lock().unwrap().clone();
        let both = async |tx: &Tx| {
            for step in [1, 2] {
                tx.dispatch(&Step(step)).await.unwrap();
            }
            Ok::<_, StoreError>(())
        };
        store.with_events(&events).transaction(both).await.unwrap();
        let park = "UPDATE events_jobs SET state = 3, reason = 'exhausted' WHERE id = 1";
        store.writer().execute_unprepared(park).await.unwrap();

        // Another worker takes the second, and has not committed yet; the operator retries the first.
        let another = base.store().await;
        let claim = another.writer().begin().await.unwrap();
        let enter = "INSERT INTO events_workers (name, host, boot, process, claims, lapse, started_at, heartbeat_at) \
                     VALUES ('another', 'elsewhere', 'b', 1, '[]', 3600000, 0, 0)";
        another.writer().execute_unprepared(enter).await.unwrap();
        let take = "UPDATE events_jobs SET state = 1, attempts = 1, fence = 1, \
                    worker = (SELECT id FROM events_workers WHERE name = 'another') WHERE id = 2";
        claim.execute_unprepared(take).await.unwrap();
        assert!(store.failed(&events).retry(1).await.unwrap());

        let all_done = async {
            let waits = "SELECT COUNT(*) FROM pg_stat_activity \
                         WHERE datname = current_database() AND wait_event_type = 'Lock'";
            until("the first waits for the other claim", async || {
                assert_eq!(ran(), [0; 0], "two of a key at once");
                number(&another, waits).await > 0
            })
            .await;
            claim.commit().await.unwrap();
            until("the worker is told", async || number(&another, waits).await == 0).await;
            assert_eq!(states(&another).await, [1, 1, 0, 0]);
            assert_eq!(ran(), [0; 0], "two of a key at once");
            let end = "UPDATE events_jobs SET state = 2, worker = NULL WHERE id = 2";
            another.writer().execute_unprepared(end).await.unwrap();
            until("all is done", async || states(&another).await == [0, 0, 2, 0]).await;
        };
        let worker = Worker::new(&events, &store).poll_every(Duration::from_millis(10));
        worker.run_until(all_done).await.unwrap();
        assert_eq!(ran(), [1]);
        another.close().await.unwrap();
        store.close().await.unwrap();
        base.remove().await;
    });
}
