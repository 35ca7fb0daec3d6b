//! A key whose jobs run in order and wait in great number.

use std::sync::Mutex;
use std::time::Duration;

use events_core::{Event, Events, State, listener};
use events_std::{Store, StoreError, Tx, Worker};
use sea_orm::ConnectionTrait;
use tokio::sync::Semaphore;

use crate::kit::{Base, number, on_every_database, states, until};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "backlog.step")]
struct Step {
    key: String,
    number: u32,
}

fn key(step: &Step) -> String {
    step.key.clone()
}

/// Each run waits for a permit.
struct Ran {
    gate: Semaphore,
    steps: Mutex<Vec<(String, u32)>>,
}

impl Ran {
    fn of(&self, key: &str) -> Vec<u32> {
        let steps = self.steps.lock().unwrap();
        let steps = steps.iter().filter(|step| step.0 == key);
        steps.map(|step| step.1).collect()
    }
}

#[listener(Step, queue, order_by = key)]
async fn step(event: &Step, ran: &State<Ran>) {
    if event.key == "long" {
        ran.gate.acquire().await.unwrap().forget();
    }
    ran.steps
        .lock()
        .unwrap()
        .push((event.key.clone(), event.number));
}

struct Bench {
    store: Store,
    events: Events,
}

impl Bench {
    async fn new(base: &Base) -> Self {
        let store = base.store().await;
        let ran = Ran {
            gate: Semaphore::new(0),
            steps: Mutex::default(),
        };
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(ran)
            .queue(store.queue())
            .build()
            .unwrap();
        let bench = Self { store, events };
        bench.dispatch("long", 0..300).await;
        bench
    }

    async fn dispatch(&self, key: &str, numbers: std::ops::Range<u32>) {
        let store = self.store.with_events(&self.events);
        let all = async |tx: &Tx| {
            for number in numbers {
                let key = key.to_owned();
                tx.dispatch(&Step { key, number }).await.unwrap();
            }
            Ok::<_, StoreError>(())
        };
        store.transaction(all).await.unwrap();
    }

    fn ran(&self) -> &Ran {
        self.events.state::<Ran>().unwrap()
    }

    async fn marked(&self) -> i64 {
        let marked = "SELECT COUNT(*) FROM events_jobs WHERE state = 0 AND behind";
        number(&self.store, marked).await
    }

    async fn mark_all(&self) {
        let all = "UPDATE events_jobs SET behind = TRUE WHERE state = 0";
        self.store.writer().execute_unprepared(all).await.unwrap();
    }
}

#[test]
fn it_keeps_no_other_key_waiting_and_goes_on_in_order() {
    on_every_database(async |base: Base| {
        let bench = Bench::new(&base).await;
        let test = async {
            until("the backlog is marked", async || {
                bench.marked().await == 299
            })
            .await;
            // Others go on, and what comes later comes in its turn.
            bench.dispatch("short", 0..3).await;
            bench.dispatch("long", 300..310).await;
            until("the others are done", async || {
                bench.ran().of("short").len() == 3
            })
            .await;
            assert_eq!(bench.ran().of("long"), [0; 0]);
            bench.ran().gate.add_permits(310);
            until("all is done", async || {
                states(&bench.store).await == [0, 0, 313, 0]
            })
            .await;
        };
        let worker = Worker::new(&bench.events, &bench.store).concurrency(4);
        worker.run_until(test).await.unwrap();
        assert_eq!(bench.ran().of("long"), (0..310).collect::<Vec<_>>());
        assert_eq!(bench.ran().of("short"), [0, 1, 2]);
    });
}

/// More keys than a claim looks at.
#[test]
fn many_keys_take_turns() {
    on_every_database(async |base: Base| {
        let bench = Bench::new(&base).await;
        let keys = "UPDATE events_jobs SET order_key = 'key ' || id";
        bench.store.writer().execute_unprepared(keys).await.unwrap();
        bench.mark_all().await;
        bench.ran().gate.add_permits(300);
        let worker = Worker::new(&bench.events, &bench.store);
        worker.drain().await.unwrap();
        assert_eq!(states(&bench.store).await, [0, 0, 300, 0]);
    });
}

#[test]
fn what_is_marked_is_due() {
    on_every_database(async |base: Base| {
        let bench = Bench::new(&base).await;
        bench.mark_all().await;
        bench.ran().gate.add_permits(300);
        let worker = Worker::new(&bench.events, &bench.store).poll_every(Duration::from_millis(5));
        worker.run_due().await.unwrap();
        assert_eq!(bench.ran().of("long"), (0..300).collect::<Vec<_>>());
    });
}
