//! How the store is reached: settings, and what errors say.

use std::time::Duration;

use events_std::{Durability, Store, StoreError, StoreOptions};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

use crate::database::{Database, Folder, on_both};

pub(crate) fn on_runtime<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

async fn setting(connection: &impl ConnectionTrait, name: &str) -> String {
    let statement = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {name}"));
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index::<String>(0)
        .or_else(|_| {
            row.try_get_by_index::<i64>(0)
                .map(|number| number.to_string())
        })
        .unwrap()
}

#[test]
fn every_connection_has_the_settings() {
    let folder = Folder::new();
    on_runtime(async {
        for (durability, synchronous) in [
            (Durability::PowerLoss, "2"),
            (Durability::ProcessDeath, "1"),
        ] {
            let store = StoreOptions::new(&folder.url())
                .durability(durability)
                .connections(3)
                .busy_timeout(Duration::from_millis(1_234))
                .connect()
                .await
                .unwrap();
            let mut all = vec![store.writer().begin().await.unwrap()];
            for _ in 0..3 {
                // Held, so that each is another connection.
                all.push(store.reader().begin().await.unwrap());
            }
            for (number, connection) in all.iter().enumerate() {
                for (name, wanted) in [
                    ("journal_mode", "wal"),
                    ("synchronous", synchronous),
                    ("foreign_keys", "1"),
                    ("busy_timeout", "1234"),
                    ("query_only", if number == 0 { "0" } else { "1" }),
                ] {
                    assert_eq!(
                        setting(connection, name).await,
                        wanted,
                        "{name} of {number}"
                    );
                }
            }
        }
    });
}

#[test]
fn what_reads_does_not_write() {
    let folder = Folder::new();
    on_runtime(async {
        let store = Store::connect(&folder.url()).await.unwrap();
        let error = store
            .reader()
            .execute_unprepared("CREATE TABLE other (id INTEGER)");
        assert!(error.await.unwrap_err().to_string().contains("readonly"));
    });
}

#[test]
fn in_memory_it_is_one_connection() {
    on_runtime(async {
        let store = Store::connect("sqlite::memory:").await.unwrap();
        store
            .transaction(async |tx| {
                tx.execute_unprepared("CREATE TABLE notes (text TEXT)")
                    .await?;
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let read = store.reader().execute_unprepared("SELECT * FROM notes");
        read.await.unwrap();
    });
}

#[test]
fn an_address_of_no_known_database_is_named_by_its_scheme_alone() {
    on_runtime(async {
        for (address, scheme) in [
            ("mysql://app:hush@host/db", "begins with `mysql:`"),
            ("mysql://host/db?password=hush", "begins with `mysql:`"),
            ("hush", "has no scheme"),
            ("sqlite", "has no scheme"),
            ("sqlite:", "names no file"),
            ("sqlite://", "names no file"),
            ("app/hush:hush@host", "has no scheme"),
        ] {
            let error = Store::connect(address).await.unwrap_err();
            let (shown, debug) = (error.to_string(), format!("{error:?}"));
            assert!(shown.contains(scheme), "{shown}");
            assert!(shown.contains("write `sqlite:FILE`"), "{shown}");
            assert!(
                !shown.contains("hush") && !debug.contains("hush"),
                "{debug}"
            );
        }
    });
}

#[test]
fn a_postgres_that_cannot_be_reached_is_named() {
    // Nobody listens where somebody has just stopped to.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    on_runtime(async {
        let url = format!("postgres://app@127.0.0.1:{port}/db");
        let error = Store::connect(&url).await.unwrap_err().to_string();
        let named = format!("cannot be reached at `127.0.0.1`, port {port}");
        assert!(
            error.contains(&named) && error.contains("refused"),
            "{error}"
        );
    });
}

#[test]
fn a_file_is_made_only_where_it_may_be() {
    let folder = Folder::new();
    on_runtime(async {
        let url = folder.url();
        let none = StoreOptions::new(&url).create_if_missing(false);
        for options in [none.clone(), StoreOptions::new(&format!("{url}?mode=rw"))] {
            let error = options.connect().await.unwrap_err().to_string();
            assert!(error.contains("there is no such file"), "{error}");
        }
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
        Store::connect(&url).await.unwrap().close().await.unwrap();
        none.connect().await.unwrap();
    });
}

#[test]
fn a_password_is_never_shown() {
    let options = StoreOptions::new("postgres://app:hush@127.0.0.1:1/db");
    assert!(!format!("{options:?}").contains("hush"));
    on_runtime(async {
        for address in [
            "postgres://app:hush@127.0.0.1:port/db",
            "postgres://app:hush@/db?host=/nowhere",
        ] {
            let error = Store::connect(address).await.unwrap_err();
            let mut texts = format!("{error} {error:?}");
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                texts.push_str(&error.to_string());
                source = error.source();
            }
            assert!(!texts.contains("hush"), "{texts}");
        }
    });
}

#[test]
fn another_process_holds_the_lock_longer_than_the_timeout() {
    let folder = Folder::new();
    on_runtime(async {
        let options = StoreOptions::new(&folder.url()).busy_timeout(Duration::from_millis(50));
        let (one, other) = (
            options.clone().connect().await.unwrap(),
            options.connect().await.unwrap(),
        );
        let ended = one
            .transaction(async |_| {
                // Another handle of the file, as another process has: in a task of its own.
                let other = other.clone();
                let waiting = tokio::spawn(async move {
                    other.transaction(async |_| Ok::<_, StoreError>(())).await
                });
                let error = waiting.await.unwrap().unwrap_err();
                assert!(error.to_string().contains("locked"), "{error}");
                Ok::<_, StoreError>(())
            })
            .await;
        ended.unwrap();
        other
            .transaction(async |_| Ok::<_, StoreError>(()))
            .await
            .unwrap();
    });
}

async fn a_closed_store_says_so(database: Database) {
    let store = &database.store;
    let debug = format!("{store:?}");
    assert!(debug == "Store(Sqlite)" || debug == "Store(Postgres)");
    store.close().await.unwrap();
    let error = store.transaction(async |_| Ok::<_, StoreError>(())).await;
    assert!(matches!(error, Err(StoreError::Database(_))));
}

on_both!(a_closed_store_says_so);
