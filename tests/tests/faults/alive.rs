//! Workers where little is there: one connection, a database in memory; and what must not stop them.

use std::time::Duration;

use events_core::{Event, Events, State, listener};
use events_std::{Store, StoreOptions, Tx, Worker};
use events_tests::Effects;
use sea_orm::{ConnectionTrait, Statement};

use crate::kill::dispatch_all;
use crate::kit::{Base, number, on_every_database, runtime, states, until};
use crate::process::events;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.small")]
struct Small(i64);

#[listener(Small, queue)]
async fn plain(event: &Small, effects: &State<Effects>) {
    effects.write(&event.0.to_string());
}

#[listener(Small, queue)]
async fn in_the_transaction(event: &Small, tx: &Tx) -> Result<(), sea_orm::DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO effects (number) VALUES ($1)",
        [event.0.into()],
    ))
    .await?;
    Ok(())
}

async fn works_on(store: Store, base: &Base) {
    store
        .writer()
        .execute_unprepared("CREATE TABLE effects (number BIGINT NOT NULL)")
        .await
        .unwrap();
    let events = events(module_path!(), &store, base);
    dispatch_all(&store, &events, (0..50).map(Small)).await;
    Worker::new(&events, &store).drain().await.unwrap();
    assert_eq!(states(&store).await, [0, 0, 100, 0]);
    let sum = "SELECT CAST(SUM(number) AS BIGINT) FROM effects";
    assert_eq!(number(&store, sum).await, 49 * 50 / 2);
    assert_eq!(Effects::of(&base.folder).lines().len(), 50);
}

#[test]
fn one_connection_is_enough() {
    on_every_database(async |base: Base| {
        let store = StoreOptions::new(&base.url).connections(1).connect().await;
        works_on(store.unwrap(), &base).await;
    });
}

#[test]
fn a_database_in_memory_is_enough() {
    runtime().block_on(async {
        let base = Base::sqlite();
        let store = Store::connect("sqlite::memory:").await.unwrap();
        works_on(store, &base).await;
    });
}

#[test]
fn one_row_in_a_thousand_that_cannot_be_read_is_parked_alone() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&format!("{}::rows", module_path!()), &store, &base);
        dispatch_all(&store, &events, (0..1_000).map(rows::Row)).await;
        let broken = match store.backend() {
            // Not even text: SQLite stores anything anywhere.
            sea_orm::DbBackend::Sqlite => "x'ff00'",
            _ => "'{'",
        };
        let spoil = format!(
            "UPDATE events_jobs SET payload = {broken} WHERE id = (SELECT MIN(id) + 500 FROM events_jobs)"
        );
        store.writer().execute_unprepared(&spoil).await.unwrap();
        Worker::new(&events, &store)
            .concurrency(50)
            .drain()
            .await
            .unwrap();
        assert_eq!(states(&store).await, [0, 0, 999, 1]);
        let undecodable = "SELECT COUNT(*) FROM events_jobs WHERE reason = 'undecodable'";
        assert_eq!(number(&store, undecodable).await, 1);
    });
}

mod rows {
    use events_core::{Event, listener};

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "faults.row")]
    pub(super) struct Row(pub(super) u32);

    #[listener(Row, queue)]
    async fn reads(_: &Row) {}
}

/// A job that must run alone is not kept waiting by a queue that is never empty.
#[test]
fn a_job_that_must_run_alone_comes_to_its_turn_under_load() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&format!("{}::load", module_path!()), &store, &base);
        dispatch_all(&store, &events, (1..7).map(load::Load)).await;
        let effects = Effects::of(&base.folder);
        let stop = async {
            until("it is busy", async || effects.lines().len() > 20).await;
            let columns = "uid, queue, event, version, listener, delivery_id, dispatched_at, correlation_id, run_at, \
                           changed_at";
            let alone = format!(
                "INSERT INTO events_jobs ({columns}, payload, alone) \
                 SELECT {columns}, '0', TRUE FROM events_jobs ORDER BY id LIMIT 1"
            );
            store.writer().execute_unprepared(&alone).await.unwrap();
            until("it has run", async || {
                effects.lines().contains(&"0".to_owned())
            })
            .await;
        };
        Worker::new(&events, &store)
            .concurrency(3)
            .grace(Duration::from_millis(10))
            .run_until(stop)
            .await
            .unwrap();
    });
}

mod load {
    use events_core::{Event, Events, State, listener};
    use events_tests::Effects;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "faults.load")]
    pub(super) struct Load(pub(super) u32);

    /// Each run makes another.
    #[listener(Load, queue)]
    async fn goes_on(event: &Load, events: Events, effects: &State<Effects>) {
        if event.0 > 0 {
            events.dispatch(&Load(event.0 + 1)).await.unwrap();
        }
        effects.write(&event.0.to_string());
    }
}

/// What the store has as a worker's own, though the worker never heard of it, is given back after a failure: a commit
/// may have succeeded although it seemed to fail.
#[test]
fn claims_that_got_lost_in_a_failure_are_found() {
    runtime().block_on(async {
        let base = Base::sqlite();
        let store = StoreOptions::new(&base.url)
            .busy_timeout(Duration::from_millis(20))
            .connect()
            .await
            .unwrap();
        let events: Events = events(&format!("{}::rows", module_path!()), &store, &base);
        let other = Store::connect(&base.url).await.unwrap();
        let test = async {
            until("it is there", async || crate::kill::workers(&other).await == 1).await;
            let insert = "INSERT INTO events_jobs (uid, queue, event, version, listener, payload, state, run_at, \
                          attempts, fence, worker, delivery_id, dispatched_at, correlation_id, changed_at) \
                          SELECT zeroblob(16), 'default', 'faults.row', 1, $1, '1', 1, 0, 1, 1, MAX(id), zeroblob(16), \
                          0, zeroblob(16), 0 FROM events_workers";
            let mut known = events.claimable().into_iter();
            let listener = known.find(|known| known.event == "faults.row").unwrap().listener;
            let writer = other.writer();
            writer.execute_raw(Statement::from_sql_and_values(
                other.backend(),
                insert,
                [listener.into()],
            ))
            .await
            .unwrap();
            writer.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
            // The worker's store has one connection that writes, and whoever waits for it comes to its turn: between these
            // the worker fails too.
            for _ in 0..10 {
                let write = "UPDATE events_workers SET name = name";
                store.writer().execute_unprepared(write).await.unwrap_err();
            }
            writer.execute_unprepared("ROLLBACK").await.unwrap();
            until("it has run", async || states(&other).await == [0, 0, 1, 0]).await;
        };
        let left = Worker::new(&events, &store)
            .poll_every(Duration::from_millis(5))
            .run_until(test)
            .await
            .unwrap();
        assert_eq!(left.ended, 1);
        let attempts = "SELECT attempts FROM events_jobs";
        assert_eq!(number(&other, &format!("SELECT CAST(({attempts}) AS BIGINT)")).await, 1);
    });
}
