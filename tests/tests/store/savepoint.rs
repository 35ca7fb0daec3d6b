//! Savepoints: a part of a transaction that can fail alone.

use std::time::Duration;

use events_core::{Event, Events, State, listener};
use events_std::{Store, StoreError};
use sea_orm::{ConnectionTrait, DbErr};

use crate::database::{Database, note, on_both};
use crate::{Log, builder, log};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.stepped")]
struct Stepped(u32);

#[listener(Stepped, queue)]
fn queued(_: &Stepped) {}

#[listener(Stepped)]
fn afterwards(event: &Stepped, log: &State<Log>) {
    log.write(event.0.to_string());
}

fn bench(database: &Database) -> (Store, Events) {
    let events = builder(database, module_path!()).build().unwrap();
    (database.store.with_events(&events), events)
}

async fn payloads(database: &Database) -> Vec<String> {
    database
        .column("SELECT payload FROM events_jobs ORDER BY id")
        .await
}

fn failed() -> StoreError {
    StoreError::Database(DbErr::Custom("on purpose".to_owned()))
}

async fn what_fails_is_undone_alone(database: Database) {
    let (store, events) = bench(&database);
    store
        .transaction(async |tx| {
            note(tx, "1").await?;
            tx.dispatch(&Stepped(1)).await.unwrap();
            let ended = tx
                .savepoint(async |tx| {
                    note(tx, "2").await?;
                    tx.dispatch(&Stepped(2)).await.unwrap();
                    Err::<(), _>(failed())
                })
                .await;
            assert!(ended.unwrap_err().to_string().contains("on purpose"));
            tx.savepoint(async |tx| {
                note(tx, "3").await?;
                tx.dispatch(&Stepped(3)).await.unwrap();
                Ok::<_, StoreError>(())
            })
            .await?;
            note(tx, "4").await?;
            tx.dispatch(&Stepped(4)).await.unwrap();
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(database.notes().await, ["1", "3", "4"]);
    assert_eq!(payloads(&database).await, ["1", "3", "4"]);
    assert_eq!(log(&events), ["1", "3", "4"]);
}

async fn they_nest(database: Database) {
    let (store, events) = bench(&database);
    store
        .transaction(async |tx| {
            tx.savepoint(async |tx| {
                tx.dispatch(&Stepped(1)).await.unwrap();
                tx.savepoint(async |tx| {
                    note(tx, "2").await?;
                    tx.dispatch(&Stepped(2)).await.unwrap();
                    tx.savepoint(async |tx| {
                        note(tx, "3").await?;
                        tx.dispatch(&Stepped(3)).await.unwrap();
                        Ok::<_, StoreError>(())
                    })
                    .await?;
                    Err::<(), _>(failed())
                })
                .await
                .unwrap_err();
                note(tx, "4").await?;
                tx.dispatch(&Stepped(4)).await.unwrap();
                Ok::<_, StoreError>(())
            })
            .await
        })
        .await
        .unwrap();
    assert_eq!(database.notes().await, ["4"]);
    assert_eq!(payloads(&database).await, ["1", "4"]);
    assert_eq!(log(&events), ["1", "4"]);
}

async fn a_transaction_that_fails_undoes_what_its_savepoints_kept(database: Database) {
    let (store, events) = bench(&database);
    store
        .transaction(async |tx| {
            tx.savepoint(async |tx| {
                note(tx, "1").await?;
                tx.dispatch(&Stepped(1)).await.unwrap();
                Ok::<_, StoreError>(())
            })
            .await?;
            Err::<(), _>(failed())
        })
        .await
        .unwrap_err();
    assert!(database.notes().await.is_empty());
    assert!(payloads(&database).await.is_empty());
    assert!(log(&events).is_empty());
}

async fn a_failed_statement_costs_the_savepoint_not_the_transaction(database: Database) {
    let (store, _) = bench(&database);
    store
        .transaction(async |tx| {
            note(tx, "1").await?;
            tx.savepoint(async |tx| {
                note(tx, "2").await?;
                Ok::<_, StoreError>(note(tx, "1").await?)
            })
            .await
            .unwrap_err();
            // Here the block says nothing of the failure.
            let ended = tx
                .savepoint(async |tx| {
                    note(tx, "3").await?;
                    note(tx, "1").await.unwrap_err();
                    Ok::<_, StoreError>(())
                })
                .await;
            note(tx, if ended.is_ok() { "kept" } else { "undone" }).await?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let expected: &[&str] = match database.store.backend() {
        sea_orm::DbBackend::Sqlite => &["1", "3", "kept"],
        _ => &["1", "undone"],
    };
    assert_eq!(database.notes().await, expected);
}

async fn many_jobs_before_and_in_one(database: Database) {
    let (store, events) = bench(&database);
    store
        .transaction(async |tx| {
            for number in 0..700 {
                tx.dispatch(&Stepped(number)).await.unwrap();
            }
            tx.savepoint(async |tx| {
                for number in 700..1_500 {
                    tx.dispatch(&Stepped(number)).await.unwrap();
                }
                Err::<(), _>(failed())
            })
            .await
            .unwrap_err();
            tx.dispatch(&Stepped(700)).await.unwrap();
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let expected: Vec<String> = (0..=700).map(|number| number.to_string()).collect();
    assert_eq!(payloads(&database).await, expected);
    assert_eq!(log(&events), expected);
}

async fn two_at_once_are_refused(database: Database) {
    let (store, _) = bench(&database);
    store
        .transaction(async |tx| {
            tx.savepoint(async |_| {
                let ended = tx.savepoint(async |_| Ok::<_, StoreError>(())).await;
                assert!(matches!(ended, Err(StoreError::SavepointOpen)));
                Ok::<_, StoreError>(())
            })
            .await?;
            tx.savepoint(async |_| Ok::<_, StoreError>(())).await
        })
        .await
        .unwrap();
}

async fn one_that_is_dropped_is_undone(database: Database) {
    let (store, events) = bench(&database);
    store
        .transaction(async |tx| {
            note(tx, "1").await?;
            let left = tx.savepoint(async |tx| {
                note(tx, "2").await?;
                tx.dispatch(&Stepped(2)).await.unwrap();
                tx.savepoint(async |tx| {
                    note(tx, "3").await?;
                    std::future::pending::<Result<(), StoreError>>().await
                })
                .await
            });
            let left = tokio::time::timeout(Duration::from_millis(50), left).await;
            assert!(left.is_err());
            note(tx, "2").await?;
            tx.dispatch(&Stepped(4)).await.unwrap();
            tx.execute_unprepared("SELECT 1").await?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(database.notes().await, ["1", "2"]);
    assert_eq!(payloads(&database).await, ["4"]);
    assert_eq!(log(&events), ["4"]);
}

on_both!(
    what_fails_is_undone_alone,
    they_nest,
    a_transaction_that_fails_undoes_what_its_savepoints_kept,
    a_failed_statement_costs_the_savepoint_not_the_transaction,
    many_jobs_before_and_in_one,
    two_at_once_are_refused,
    one_that_is_dropped_is_undone,
);
