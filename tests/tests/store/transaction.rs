//! Rows, jobs and listeners that wait for the commit stand or fall together.

use std::time::Duration;

use events_core::{Event, Events, Refusal, State, listener};
use events_std::{Store, StoreError, StoreOptions, Tx};
use sea_orm::ConnectionTrait;

use crate::database::{Database, note, on_both};
use crate::{Log, builder, log};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.noted")]
struct Noted(String);

#[listener(Noted, queue)]
fn queued(_: &Noted) {}

#[listener(Noted)]
async fn afterwards(event: &Noted, log: &State<Log>, store: &State<Store>) {
    let rows = Database::of(store).notes().await;
    log.write(format!("after {} with {}", event.0, rows.join(",")));
}

#[derive(Clone, Debug, Event)]
struct Filed(String);

#[listener(Filed)]
async fn file(event: &Filed, tx: &Tx, log: &State<Log>) -> Result<(), sea_orm::DbErr> {
    log.write(format!("file {}", event.0));
    note(tx, &format!("filed {}", event.0)).await
}

#[derive(Clone, Debug, Event)]
#[event(after_commit)]
struct Saved;

#[listener(Saved)]
fn saved(_: &Saved, log: &State<Log>) {
    log.write("saved");
}

#[derive(Clone, Debug, Event)]
struct Relayed;

#[listener(Relayed)]
async fn relay(_: &Relayed) {
    Saved.dispatch().await.unwrap();
}

#[derive(Clone, Debug, Event)]
struct Reopened;

#[listener(Reopened)]
async fn again(_: &Reopened, events: Events, store: &State<Store>) -> Result<(), Failed> {
    store
        .with_events(&events)
        .transaction(async |tx| Ok(note(tx, "again").await?))
        .await
}

#[derive(Debug)]
enum Failed {
    OnPurpose,
    Store(StoreError),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Failed {}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sea_orm::DbErr> for Failed {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl Database {
    fn of(store: &Store) -> Self {
        Self {
            store: store.clone(),
            url: String::new(),
        }
    }
}

fn bench(database: &Database) -> (Store, Events) {
    let events = builder(database, module_path!())
        .state(database.store.clone())
        .build()
        .unwrap();
    (database.store.with_events(&events), events)
}

fn noted(text: &str) -> Noted {
    Noted(text.to_owned())
}

async fn a_commit_brings_rows_jobs_and_what_waits(database: Database) {
    let (store, events) = bench(&database);
    let value = store
        .transaction(async |tx| {
            note(tx, "a").await?;
            let dispatched = tx.dispatch(&noted("a")).await.unwrap();
            assert_eq!(dispatched.jobs(), 1);
            assert!(dispatched.is_deferred());
            assert_eq!(log(&events), Vec::<String>::new());
            events.dispatch(&Saved).await.unwrap();
            Ok::<_, Failed>(7)
        })
        .await
        .unwrap();
    assert_eq!(value, 7);
    assert_eq!(log(&events), ["after a with a", "saved"]);
    assert_eq!(database.count("events_jobs").await, 1);
}

async fn a_rollback_leaves_nothing(database: Database) {
    let (store, events) = bench(&database);
    let ended = store
        .transaction(async |tx| {
            note(tx, "a").await?;
            tx.dispatch(&noted("a")).await.unwrap();
            events.dispatch(&Saved).await.unwrap();
            Err::<(), _>(Failed::OnPurpose)
        })
        .await;
    assert!(matches!(ended, Err(Failed::OnPurpose)));
    assert!(log(&events).is_empty());
    assert!(database.notes().await.is_empty());
    assert_eq!(database.count("events_jobs").await, 0);
}

async fn a_panic_rolls_back_and_frees_the_writer(database: Database) {
    let (store, events) = bench(&database);
    let panicking = store.clone();
    let ended = tokio::spawn(async move {
        panicking
            .transaction(async |tx| {
                note(tx, "a").await?;
                tx.dispatch(&noted("a")).await.unwrap();
                assert!(
                    tx.get_database_backend() == sea_orm::DbBackend::MySql,
                    "on purpose"
                );
                Ok::<_, Failed>(())
            })
            .await
    })
    .await;
    assert!(ended.unwrap_err().is_panic());
    store
        .transaction(async |tx| Ok::<_, Failed>(note(tx, "b").await?))
        .await
        .unwrap();
    assert_eq!(database.notes().await, ["b"]);
    assert_eq!(database.count("events_jobs").await, 0);
    assert!(log(&events).is_empty());
}

async fn a_listener_that_asks_for_the_transaction_writes_in_it(database: Database) {
    let (store, events) = bench(&database);
    let refused = events.dispatch(&Filed("a".to_owned())).await.unwrap_err();
    assert!(matches!(
        refused.refusal(),
        Some(Refusal::NeedsTransaction(_))
    ));
    store
        .transaction(async |tx| {
            tx.dispatch(&Filed("a".to_owned())).await.unwrap();
            assert_eq!(log(&events), ["file a"]);
            Ok::<_, Failed>(())
        })
        .await
        .unwrap();
    assert_eq!(database.notes().await, ["filed a"]);

    // Its error is returned, and the block decides.
    let ended = store
        .transaction(async |tx| {
            note(tx, "b").await?;
            let error = tx.dispatch(&Filed("a".to_owned())).await.unwrap_err();
            assert!(error.failures()[0].listener().name().ends_with("file"));
            Err::<(), _>(Failed::OnPurpose)
        })
        .await;
    assert!(matches!(ended, Err(Failed::OnPurpose)));
    assert_eq!(database.notes().await, ["filed a"]);
}

async fn a_second_transaction_in_the_task_is_an_error(database: Database) {
    let (store, events) = bench(&database);
    // The same database through another dispatcher would wait for itself just so.
    let other = builder(&database, "nowhere").build().unwrap();
    let other = store.with_events(&other);
    store
        .transaction(async |_| {
            for second in [&store, &other, &database.store] {
                let ended = second.transaction(async |_| Ok::<_, Failed>(())).await;
                assert!(matches!(
                    ended,
                    Err(Failed::Store(StoreError::TransactionOpen))
                ));
            }
            let refused = events.dispatch(&noted("a")).await.unwrap_err();
            assert!(matches!(refused.refusal(), Some(Refusal::TransactionOpen)));
            Ok::<_, Failed>(())
        })
        .await
        .unwrap();
    assert_eq!(database.count("events_jobs").await, 0);
    events.dispatch(&noted("a")).await.unwrap();
    assert_eq!(database.count("events_jobs").await, 1);
}

async fn after_the_commit_a_listener_may_begin_another(database: Database) {
    let (store, _) = bench(&database);
    store
        .transaction(async |tx| {
            tx.dispatch(&Reopened).await.unwrap();
            Ok::<_, Failed>(())
        })
        .await
        .unwrap();
    assert_eq!(database.notes().await, ["again"]);
}

async fn the_current_dispatcher_is_the_same_after_the_commit(database: Database) {
    let (_, events) = bench(&database);
    let store = database.store.clone();
    let block = async {
        store
            .transaction(async |tx| {
                tx.dispatch(&Relayed).await.unwrap();
                Ok::<_, Failed>(())
            })
            .await
            .unwrap();
    };
    events.scope(block).await;
    assert_eq!(log(&events), ["saved"]);
}

async fn an_error_that_the_block_ignores_is_not_lost(database: Database) {
    let (store, events) = bench(&database);
    let ended = store
        .transaction(async |tx| {
            note(tx, "a").await?;
            note(tx, "a").await.unwrap_err();
            tx.dispatch(&Saved).await.unwrap();
            Ok::<_, Failed>(())
        })
        .await;
    // SQLite undoes the statement, Postgres the transaction: neither says that it committed what it did not.
    match ended {
        Ok(()) => {
            assert_eq!(database.notes().await, ["a"]);
            assert_eq!(log(&events), ["saved"]);
        }
        Err(Failed::Store(StoreError::Broken(_))) => {
            assert!(database.notes().await.is_empty());
            assert!(log(&events).is_empty());
        }
        Err(other) => panic!("{other:?}"),
    }
}

async fn a_rollback_by_the_database_is_noticed(database: Database) {
    let (store, events) = bench(&database);
    let ended = store
        .transaction(async |tx| {
            note(tx, "a").await?;
            let doubling = match tx.get_database_backend() {
                sea_orm::DbBackend::Sqlite => "INSERT OR ROLLBACK INTO notes (text) VALUES ('a')",
                _ => "INSERT INTO notes (text) VALUES ('a')",
            };
            tx.execute_unprepared(doubling).await.unwrap_err();
            let refused = note(tx, "b").await.unwrap_err();
            println!("{refused}");
            tx.dispatch(&noted("c")).await.unwrap();
            Ok::<_, Failed>(())
        })
        .await;
    assert!(ended.is_err(), "{ended:?}");
    assert!(database.notes().await.is_empty());
    assert_eq!(database.count("events_jobs").await, 0);
    assert!(log(&events).is_empty());
    // The connection serves the next.
    for text in ["d", "e"] {
        store
            .transaction(async |tx| Ok::<_, Failed>(note(tx, text).await?))
            .await
            .unwrap();
    }
    assert_eq!(database.notes().await, ["d", "e"]);
}

async fn a_connection_that_lost_count_is_not_used_again(database: Database) {
    let (store, _) = bench(&database);
    if store.backend() != sea_orm::DbBackend::Sqlite {
        return;
    }
    let ended = store
        .transaction(async |tx| {
            note(tx, "a").await?;
            tx.savepoint(async |tx| {
                let doubling = "INSERT OR ROLLBACK INTO notes (text) VALUES ('a')";
                tx.execute_unprepared(doubling).await?;
                Ok::<_, Failed>(())
            })
            .await
            .unwrap_err();
            Ok::<_, Failed>(())
        })
        .await;
    assert!(matches!(ended, Err(Failed::Store(StoreError::Broken(_)))));
    // The next is immediate again: another process, or what stands for one here, cannot begin beside it.
    let other = StoreOptions::new(&database.url).busy_timeout(Duration::from_millis(20));
    let other = other.connect().await.unwrap();
    store
        .transaction(async |_| {
            let beside =
                tokio::spawn(
                    async move { other.transaction(async |_| Ok::<_, StoreError>(())).await },
                );
            assert!(beside.await.unwrap().is_err());
            Ok::<_, Failed>(())
        })
        .await
        .unwrap();
}

async fn a_full_disk_costs_the_transaction_alone(database: Database) {
    let (store, events) = bench(&database);
    if store.backend() != sea_orm::DbBackend::Sqlite {
        return;
    }
    let pages = |count: u32| format!("PRAGMA max_page_count = {count}");
    let limit = database.column::<i64>("PRAGMA page_count").await[0] + 4;
    let limit = pages(u32::try_from(limit).unwrap());
    store.writer().execute_unprepared(&limit).await.unwrap();
    for ignore in [true, false] {
        let ended = store
            .transaction(async |tx| {
                note(tx, "a").await?;
                tx.dispatch(&noted(&"x".repeat(100_000))).await.unwrap();
                let refused = note(tx, &"y".repeat(100_000)).await;
                assert!(refused.as_ref().unwrap_err().to_string().contains("full"));
                if !ignore {
                    refused?;
                }
                Ok::<_, Failed>(())
            })
            .await;
        assert!(ended.is_err(), "the job had no room");
        assert!(database.notes().await.is_empty());
        assert_eq!(database.count("events_jobs").await, 0);
        assert!(log(&events).is_empty());
    }
    store
        .writer()
        .execute_unprepared(&pages(u32::MAX - 1))
        .await
        .unwrap();
    store
        .transaction(async |tx| {
            note(tx, "b").await?;
            tx.dispatch(&noted("b")).await.unwrap();
            Ok::<_, Failed>(())
        })
        .await
        .unwrap();
    assert_eq!(database.notes().await, ["b"]);
    assert_eq!(log(&events), ["after b with b"]);
}

async fn transactions_run_in_spawned_tasks(database: Database) {
    let (store, _) = bench(&database);
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .transaction(async |tx| {
                        let text = format!("{number:02}");
                        note(tx, &text).await?;
                        tx.savepoint(async |tx| {
                            tx.dispatch(&Noted(text.clone())).await.unwrap();
                            Ok::<_, Failed>(())
                        })
                        .await
                    })
                    .await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(database.count("notes").await, 16);
    assert_eq!(database.count("events_jobs").await, 16);
}

async fn a_defer_block_does_not_part_jobs_from_their_rows(database: Database) {
    let (store, events) = bench(&database);
    let ended = events
        .defer(async {
            store
                .transaction(async |tx| {
                    note(tx, "a").await?;
                    tx.dispatch(&noted("a")).await.unwrap();
                    Ok::<_, Failed>(())
                })
                .await?;
            Err::<(), _>(Failed::OnPurpose)
        })
        .await;
    assert!(ended.is_err());
    assert_eq!(database.count("events_jobs").await, 1);
}

on_both!(
    a_commit_brings_rows_jobs_and_what_waits,
    a_rollback_leaves_nothing,
    a_panic_rolls_back_and_frees_the_writer,
    a_listener_that_asks_for_the_transaction_writes_in_it,
    a_second_transaction_in_the_task_is_an_error,
    after_the_commit_a_listener_may_begin_another,
    the_current_dispatcher_is_the_same_after_the_commit,
    an_error_that_the_block_ignores_is_not_lost,
    a_rollback_by_the_database_is_noticed,
    a_connection_that_lost_count_is_not_used_again,
    a_full_disk_costs_the_transaction_alone,
    transactions_run_in_spawned_tasks,
    a_defer_block_does_not_part_jobs_from_their_rows,
);
