//! What a worker does with jobs of every kind.

use std::sync::Mutex;
use std::time::Duration;

use events_core::{Attempt, Event, Events, JobFailure, State, listener};
use events_std::{Store, StoreError, Tx, Worker};
use sea_orm::{ConnectionTrait, Statement};

use crate::kit::{Base, on_every_database, states, until};

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn sorted(&self) -> Vec<String> {
        let mut lines = self.0.lock().unwrap().clone();
        lines.sort();
        lines
    }
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.task")]
struct Task {
    number: u32,
    fail: u32,
}

#[listener(Task, queue = "fast", tries = 3, backoff = "10ms", failed = gave_up)]
async fn works(event: &Task, attempt: Attempt, log: &State<Log>) -> Result<(), String> {
    tokio::task::yield_now().await;
    if attempt.number <= event.fail {
        return Err(format!("failure {}", attempt.number));
    }
    log.write(format!("works {} at {}", event.number, attempt.number));
    Ok(())
}

fn gave_up(event: &Task, failure: &JobFailure, log: &State<Log>) {
    log.write(format!("gave up on {}: {failure}", event.number));
}

#[listener(Task, queue = "slow")]
fn blocks(event: &Task, log: &State<Log>) {
    std::thread::yield_now();
    log.write(format!("blocks {}", event.number));
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.written")]
struct Written {
    number: i64,
}

#[listener(Written, queue, tries = 2, backoff = "10ms")]
async fn writes(event: &Written, tx: &Tx, attempt: Attempt) -> Result<(), sea_orm::DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO effects (number) VALUES ($1)",
        [event.number.into()],
    ))
    .await?;
    if attempt.number == 1 {
        return Err(sea_orm::DbErr::Custom("after the write".to_owned()));
    }
    Ok(())
}

fn events(store: &Store) -> Events {
    Events::builder()
        .only_linked_in(module_path!())
        .state(Log::default())
        .queue(store.queue())
        .build()
        .unwrap()
}

fn lines(events: &Events) -> Vec<String> {
    events.state::<Log>().unwrap().sorted()
}

#[test]
fn every_job_ends_and_every_failure_is_kept() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        let bound = store.with_events(&events);
        bound
            .transaction(async |tx: &Tx| {
                for (number, fail) in [(1, 0), (2, 2), (3, 3)] {
                    tx.dispatch(&Task { number, fail }).await.unwrap();
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        events.dispatch(&Task { number: 4, fail: 0 }).await.unwrap();
        assert_eq!(states(&store).await, [8, 0, 0, 0]);
        let left = Worker::new(&events, &store).drain().await.unwrap();
        assert_eq!((left.released, left.abandoned), (0, 0));
        assert_eq!(states(&store).await, [0, 0, 7, 1]);
        assert_eq!(
            lines(&events),
            [
                "blocks 1",
                "blocks 2",
                "blocks 3",
                "blocks 4",
                "gave up on 3: exhausted: failure 3",
                "works 1 at 1",
                "works 2 at 3",
                "works 4 at 1",
            ]
        );
    });
}

#[test]
fn what_a_listener_writes_in_its_transaction_happens_once() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        store
            .writer()
            .execute_unprepared("CREATE TABLE effects (number BIGINT NOT NULL)")
            .await
            .unwrap();
        let events = events(&store);
        for number in 0..5 {
            events.dispatch(&Written { number }).await.unwrap();
        }
        Worker::new(&events, &store).drain().await.unwrap();
        assert_eq!(states(&store).await, [0, 0, 5, 0]);
        let row = store
            .writer()
            .query_one_raw(Statement::from_string(
                store.backend(),
                "SELECT COUNT(*), COUNT(DISTINCT number) FROM effects",
            ))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 5);
        assert_eq!(row.try_get_by_index::<i64>(1).unwrap(), 5);
    });
}

#[test]
fn a_worker_wakes_at_a_push_and_stops_when_told() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = Worker::new(&events, &store)
            .poll_every(Duration::from_mins(10))
            .queues(["fast"]);
        let running = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        for number in 0..20 {
            events.dispatch(&Task { number, fail: 0 }).await.unwrap();
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while lines(&events).len() < 20 {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{:?}",
                states(&store).await
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.send(()).unwrap();
        let left = running.await.unwrap().unwrap();
        assert_eq!((left.ended, left.released), (20, 0));
        // The other queue was not this worker's.
        assert_eq!(states(&store).await, [20, 0, 20, 0]);
    });
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.later")]
struct Later;

#[listener(Later, queue = "later", delay = "1h")]
fn hears_later(_: &Later) {}

#[test]
fn a_drain_that_waits_for_what_is_due_later_stops_when_told() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        events.dispatch(&Task { number: 1, fail: 0 }).await.unwrap();
        events.dispatch(&Later).await.unwrap();
        let rest_is_done = until("all else is done", async || {
            states(&store).await == [1, 0, 2, 0]
        });
        let worker = Worker::new(&events, &store);
        let left = worker.drain_until(rest_is_done).await.unwrap();
        assert_eq!((left.ended, left.released), (2, 0));
        assert_eq!(states(&store).await, [1, 0, 2, 0]);
    });
}

#[test]
fn a_worker_is_taken_for_dead_by_its_own_measure() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        for number in [1, 2] {
            events.dispatch(&Task { number, fail: 0 }).await.unwrap();
        }
        let execute = async |sql: &str| {
            store.writer().execute_unprepared(sql).await.unwrap();
        };
        execute("DELETE FROM events_jobs WHERE queue = 'slow'").await;
        // Neither says a word, and both have a job in hand.
        for (name, lapse) in [("strict", 100), ("patient", 3_600_000)] {
            execute(&format!(
                "INSERT INTO events_workers (name, host, boot, process, claims, lapse, started_at, heartbeat_at) \
                 VALUES ('{name}', '{name}', 'another', 1, '[]', {lapse}, 0, 0)"
            ))
            .await;
            execute(&format!(
                "UPDATE events_jobs SET state = 1, attempts = 1, fence = 1, \
                 worker = (SELECT id FROM events_workers WHERE name = '{name}') \
                 WHERE id = (SELECT MIN(id) FROM events_jobs WHERE state = 0)"
            ))
            .await;
        }
        let taken_over = until("the strict one's is done", async || {
            states(&store).await == [0, 1, 1, 0]
        });
        let worker = Worker::new(&events, &store).heartbeat_lapse(Duration::from_hours(2));
        worker.run_until(taken_over).await.unwrap();
        assert_eq!(lines(&events), ["works 1 at 1"]);
    });
}

#[test]
fn a_process_that_was_started_anew_is_not_the_one_that_died() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        events.dispatch(&Task { number: 1, fail: 0 }).await.unwrap();
        let execute = async |sql: &str| {
            store.writer().execute_unprepared(sql).await.unwrap();
        };
        execute("DELETE FROM events_jobs WHERE queue = 'slow'").await;
        // As in a container, where host, boot and number are those of the process before.
        let told = |file| std::fs::read_to_string(file).unwrap_or_default();
        let host = told("/proc/sys/kernel/hostname");
        let boot = told("/proc/sys/kernel/random/boot_id");
        execute(&format!(
            "INSERT INTO events_workers (name, host, boot, process, claims, lapse, started_at, heartbeat_at) \
             VALUES ('before', '{}', '{}', {}, '[]', 100, 0, 0)",
            host.trim(),
            boot.trim(),
            std::process::id()
        ))
        .await;
        execute(
            "UPDATE events_jobs SET state = 1, alone = TRUE, attempts = 3, fence = 3, \
             worker = (SELECT id FROM events_workers)",
        )
        .await;
        let blamed = until("the job is parked", async || {
            states(&store).await == [0, 0, 0, 1]
        });
        Worker::new(&events, &store)
            .run_until(blamed)
            .await
            .unwrap();
        let [line] = &lines(&events)[..] else {
            panic!("{:?}", lines(&events));
        };
        assert!(line.starts_with("gave up on 1: crashed"), "{line}");
    });
}

#[test]
fn a_worker_may_be_given_the_longest_times() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        events.dispatch(&Task { number: 1, fail: 0 }).await.unwrap();
        let done = until("all is done", async || states(&store).await == [0, 0, 2, 0]);
        let left = Worker::new(&events, &store)
            .start_within(Duration::MAX)
            .poll_every(Duration::MAX)
            .grace(Duration::MAX)
            .heartbeat_lapse(Duration::MAX)
            .answer_within(Duration::MAX)
            .keep_done_for(Some(Duration::MAX))
            .run_until(done)
            .await
            .unwrap();
        assert_eq!((left.ended, left.released), (2, 0));
    });
}
