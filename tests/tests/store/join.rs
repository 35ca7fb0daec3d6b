//! An app that owns its database: dispatching inside its own transaction.

use events_core::{Event, Events, Refusal, State, listener};
use events_std::{Store, StoreError};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, TransactionTrait, sqlx};

use crate::database::{Database, on_both};
use crate::{Log, builder, log};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.joined")]
struct Joined(u32);

#[listener(Joined, queue = "one")]
fn one(_: &Joined) {}

#[listener(Joined, queue = "two")]
fn two(_: &Joined) {}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.heard_inline")]
struct HeardInline;

#[listener(HeardInline, queue)]
fn queued(_: &HeardInline) {}

#[listener(HeardInline, name = "the_audit")]
fn inline(_: &HeardInline, log: &State<Log>) {
    log.write("inline");
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.heard_by_nobody")]
struct HeardByNobody;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.with_key")]
struct WithKey(String);

fn key(event: &WithKey) -> String {
    event.0.clone()
}

#[listener(WithKey, queue, unique = key, order_by = key)]
fn with_key(_: &WithKey) {}

fn bench(database: &Database) -> (Store, Events) {
    let events = builder(database, module_path!()).build().unwrap();
    (database.store.with_events(&events), events)
}

const NOTE: &str = "INSERT INTO notes (text) VALUES ('a')";

async fn in_sea_orms_transaction(database: Database) {
    let (store, _) = bench(&database);
    let app = sea_orm::Database::connect(&database.url).await.unwrap();
    for keep in [false, true] {
        let tx = app.begin().await.unwrap();
        tx.execute_unprepared(NOTE).await.unwrap();
        let mut joined = store.join(&tx);
        assert_eq!(joined.dispatch(&Joined(1)).await.unwrap().jobs(), 2);
        assert_eq!(joined.dispatch(&HeardByNobody).await.unwrap().jobs(), 0);
        joined.dispatch(&WithKey("k".to_owned())).await.unwrap();
        drop(joined);
        assert_eq!(database.count("events_jobs").await, 0);
        if keep {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
        let expected = i64::from(keep);
        assert_eq!(database.count("notes").await, expected);
        assert_eq!(database.count("events_jobs").await, expected * 3);
    }
    store.wake();
}

async fn in_a_plain_transaction_of_sqlx(database: Database) {
    let (store, _) = bench(&database);
    let app = sea_orm::Database::connect(&database.url).await.unwrap();
    for keep in [false, true] {
        match app.get_database_backend() {
            DbBackend::Sqlite => with_sqlite(&store, &app, keep).await,
            _ => with_postgres(&store, &app, keep).await,
        }
        let expected = i64::from(keep);
        assert_eq!(database.count("notes").await, expected);
        assert_eq!(database.count("events_jobs").await, expected * 3);
    }
    let rows = database
        .rows("SELECT uid, delivery_id, payload FROM events_jobs ORDER BY id")
        .await;
    for row in rows {
        let id: uuid::Uuid = row.try_get_by_index(0).unwrap();
        let delivery: uuid::Uuid = row.try_get_by_index(1).unwrap();
        assert!(id.get_version_num() == 7 && delivery.get_version_num() == 7);
    }
}

async fn with_sqlite(store: &Store, app: &DatabaseConnection, keep: bool) {
    let pool = app.get_sqlite_connection_pool();
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query(NOTE).execute(&mut *tx).await.unwrap();
    store.join(&mut tx).dispatch(&Joined(1)).await.unwrap();
    let keyed = WithKey("k".to_owned());
    store.join(&mut tx).dispatch(&keyed).await.unwrap();
    if keep {
        tx.commit().await.unwrap();
    } else {
        tx.rollback().await.unwrap();
    }
}

async fn with_postgres(store: &Store, app: &DatabaseConnection, keep: bool) {
    let mut tx = app.get_postgres_connection_pool().begin().await.unwrap();
    sqlx::query(NOTE).execute(&mut *tx).await.unwrap();
    store.join(&mut tx).dispatch(&Joined(1)).await.unwrap();
    let keyed = WithKey("k".to_owned());
    store.join(&mut tx).dispatch(&keyed).await.unwrap();
    if keep {
        tx.commit().await.unwrap();
    } else {
        tx.rollback().await.unwrap();
    }
}

async fn an_event_with_inline_listeners_is_refused_by_name(database: Database) {
    let (store, events) = bench(&database);
    let app = sea_orm::Database::connect(&database.url).await.unwrap();
    let tx = app.begin().await.unwrap();
    let refused = store.join(&tx).dispatch(&HeardInline).await.unwrap_err();
    assert!(matches!(
        refused.refusal(),
        Some(Refusal::InlineListener(listener)) if listener.name().ends_with("the_audit")
    ));
    let text = refused.to_string();
    assert!(
        text.contains("store.heard_inline") && text.contains("the_audit"),
        "{text}"
    );
    tx.commit().await.unwrap();
    assert_eq!(database.count("events_jobs").await, 0);
    assert!(log(&events).is_empty());
}

async fn another_database_is_refused(database: Database) {
    let (store, _) = bench(&database);
    let app = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
    let tx = app.begin().await.unwrap();
    let refused = store.join(&tx).dispatch(&Joined(1)).await.unwrap_err();
    if store.backend() == DbBackend::Postgres {
        assert!(
            refused.to_string().contains("their own database"),
            "{refused}"
        );
    } else {
        // Another file of SQLite has no table for jobs.
        assert!(refused.to_string().contains("no such table"), "{refused}");
    }
}

async fn it_is_sent_to_other_threads(database: Database) {
    let (store, _) = bench(&database);
    let app = sea_orm::Database::connect(&database.url).await.unwrap();
    tokio::spawn(async move {
        let tx = app.begin().await.unwrap();
        store.join(&tx).dispatch(&Joined(1)).await.unwrap();
        tx.commit().await.unwrap();
        Ok::<_, StoreError>(())
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(database.count("events_jobs").await, 2);
}

on_both!(
    in_sea_orms_transaction,
    in_a_plain_transaction_of_sqlx,
    an_event_with_inline_listeners_is_refused_by_name,
    another_database_is_refused,
    it_is_sent_to_other_threads,
);
