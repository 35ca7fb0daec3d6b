//! A process that is killed at each of its system calls that write.

use std::process::Command;
use std::time::Duration;

use events_core::{Event, State, listener};
use events_std::{Store, StoreError, Tx, Worker};
use events_tests::Effects;
use events_tests::calls::{self, Calls, Scenario, kill_at_every_call, strace_is_here};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::kill::workers;
use crate::kit::{self, Base, Kind, number, states, until};
use crate::process::events;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.placed")]
struct Placed(i64);

#[listener(Placed, queue)]
async fn tells(event: &Placed, effects: &State<Effects>) {
    effects.write(&format!("told {}", event.0));
}

#[listener(Placed, queue)]
async fn books(event: &Placed, tx: &Tx) -> Result<(), sea_orm::DbErr> {
    insert(tx, "booked", event.0).await
}

async fn insert(tx: &Tx, table: &str, number: i64) -> Result<(), sea_orm::DbErr> {
    let statement = format!("INSERT INTO {table} (number) VALUES ($1)");
    let backend = tx.get_database_backend();
    tx.execute_raw(Statement::from_sql_and_values(
        backend,
        statement,
        [number.into()],
    ))
    .await
    .map(drop)
}

const BEFORE: i64 = 3;
const ALL: i64 = 6;

async fn opened(base: &Base) -> Store {
    let store = base.store().await;
    for table in ["placed", "booked"] {
        let create = format!("CREATE TABLE IF NOT EXISTS {table} (number BIGINT NOT NULL)");
        store.writer().execute_unprepared(&create).await.unwrap();
    }
    store
}

/// The program that dies: it writes its own rows with its events, and works at once.
async fn play(base: &Base) {
    let store = opened(base).await;
    let events = events(module_path!(), &store, base);
    let effects = Effects::of(&base.folder);
    let place = async |number: i64| {
        let store = store.with_events(&events);
        let placed = store.transaction(async |tx: &Tx| {
            insert(tx, "placed", number)
                .await
                .map_err(StoreError::from)?;
            tx.dispatch(&Placed(number)).await.unwrap();
            Ok::<_, StoreError>(())
        });
        placed.await.unwrap();
        effects.write(&format!("committed {number}"));
    };
    for number in 0..BEFORE {
        place(number).await;
    }
    let stop = async {
        for number in BEFORE..ALL {
            place(number).await;
        }
        until("all is done", async || {
            states(&store).await == [0, 0, 2 * ALL, 0]
        })
        .await;
    };
    Worker::new(&events, &store)
        .concurrency(3)
        .poll_every(Duration::from_millis(20))
        .run_until(stop)
        .await
        .unwrap();
    store.close().await.unwrap();
}

/// The other role: not a test, unless the variables say so. On one thread, so that calls have one count.
#[test]
fn scenario() {
    let Some((url, folder)) = Scenario::of_process() else {
        return;
    };
    let base = Base::existing(&url, &folder);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(play(&base));
}

/// An empty database, and an empty folder for its files.
async fn emptied(base: &Base, store: Option<&Store>, name: &str) -> Base {
    let folder = base.folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    match store {
        Some(store) => {
            store
                .writer()
                .execute_unprepared("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                .await
                .unwrap();
            Base::existing(&base.url, &folder)
        }
        None => Base::sqlite_in(&folder),
    }
}

/// What must hold after another process has come to the end, wherever the first one died.
async fn check(base: &Base, point: &str) {
    let store = opened(base).await;
    let events = events(module_path!(), &store, base);
    let placed = number(&store, "SELECT COUNT(*) FROM placed").await;
    let what = format!("{point}: all {placed} are done");
    let all_done = until(&what, async || {
        let alone = workers(&store).await == 1;
        alone && states(&store).await == [0, 0, 2 * placed, 0]
    });
    Worker::new(&events, &store)
        .run_until(all_done)
        .await
        .unwrap();
    for query in [
        "SELECT COUNT(*) FROM (SELECT number FROM placed EXCEPT SELECT number FROM booked) AS lost",
        "SELECT COUNT(*) FROM (SELECT number FROM booked EXCEPT SELECT number FROM placed) AS never_placed",
        "SELECT COUNT(*) - COUNT(DISTINCT number) FROM booked",
        "SELECT COUNT(*) - COUNT(DISTINCT number) FROM placed",
    ] {
        assert_eq!(number(&store, query).await, 0, "{point}: {query}");
    }
    let lines = Effects::of(&base.folder).lines();
    for event in 0..ALL {
        let query = format!("SELECT COUNT(*) FROM placed WHERE number = {event}");
        let is_placed = number(&store, &query).await == 1;
        let told = lines.contains(&format!("told {event}"));
        assert_eq!(told, is_placed, "{point}: {event}");
        let committed = lines.contains(&format!("committed {event}"));
        assert!(
            is_placed || !committed,
            "{point}: {event} was committed and is gone"
        );
    }
    if store.backend() == DbBackend::Sqlite {
        let query = "SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'";
        assert_eq!(
            number(&store, query).await,
            1,
            "{point}: the file is damaged"
        );
    }
    store.close().await.unwrap();
}

async fn die_anywhere(base: &Base, store: Option<&Store>, kinds: &[Calls]) {
    let ready = async |name: &str| {
        let base = emptied(base, store, name).await;
        Scenario {
            role: "strace::scenario",
            url: base.url,
            folder: base.folder,
        }
    };
    let play = async |scenario: &Scenario, mut command: Command, point: &str| {
        let output = command.output().expect("strace");
        check(&Base::existing(&scenario.url, &scenario.folder), point).await;
        output
    };
    kill_at_every_call(kinds, ready, play).await;
}

#[test]
fn a_death_at_any_call_that_writes_loses_nothing() {
    if !strace_is_here() {
        return;
    }
    kit::runtime().block_on(async {
        let base = Base::sqlite();
        die_anywhere(&base, None, calls::SQLITE).await;
        if let Some(base) = Base::of(Kind::Postgres).await {
            let store = base.store().await;
            die_anywhere(&base, Some(&store), calls::POSTGRES).await;
            base.remove().await;
        }
    });
}
