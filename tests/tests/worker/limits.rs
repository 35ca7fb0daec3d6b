//! How many jobs of one queue run at once.

use std::sync::Mutex;

use events_core::{Event, Events, State, listener};
use events_std::Worker;
use tokio::sync::Semaphore;

use crate::kit::{Base, on_every_database, states, until};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "limits.narrow")]
struct Narrow;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "limits.wide")]
struct Wide;

#[derive(Default)]
struct Passing {
    now: usize,
    most: usize,
}

#[listener(Narrow, queue = "narrow")]
async fn passes(_: &Narrow, gate: &State<Semaphore>, passing: &State<Mutex<Passing>>) {
    {
        let mut passing = passing.lock().unwrap();
        passing.now += 1;
        passing.most = passing.most.max(passing.now);
    }
    gate.acquire().await.unwrap().forget();
    passing.lock().unwrap().now -= 1;
}

#[listener(Wide, queue = "wide")]
async fn goes_by(_: &Wide) {}

#[test]
fn a_queue_with_a_limit_waits_for_itself_and_keeps_no_other_waiting() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(Semaphore::new(0))
            .state(Mutex::new(Passing::default()))
            .queue(store.queue())
            .build()
            .unwrap();
        for _ in 0..3 {
            events.dispatch(&Narrow).await.unwrap();
        }
        for _ in 0..20 {
            events.dispatch(&Wide).await.unwrap();
        }
        let gate = events.state::<Semaphore>().unwrap();
        let done = async {
            until("the others are done, and one is held", async || {
                states(&store).await == [2, 1, 20, 0]
            })
            .await;
            for left in (0..3).rev() {
                gate.add_permits(1);
                until("the next is held", async || {
                    states(&store).await == [left.max(1) - 1, left.min(1), 23 - left, 0]
                })
                .await;
            }
        };
        Worker::new(&events, &store)
            .concurrency(10)
            .limit("narrow", 1)
            .run_until(done)
            .await
            .unwrap();
        assert_eq!(
            events
                .state::<Mutex<Passing>>()
                .unwrap()
                .lock()
                .unwrap()
                .most,
            1
        );
    });
}
