//! A database of its own for each test, removed afterwards.

use std::future::Future;
use std::path::PathBuf;

use events_std::{Store, Tx};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, TryGetable};
use uuid::Uuid;

/// Writes a test for each database from each body: `async fn name(database: Database)`.
macro_rules! on_both {
    ($($body:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $body() { $crate::database::on_sqlite(super::$body); })+
        }
        mod postgres {
            $(#[test] fn $body() { $crate::database::on_postgres(stringify!($body), super::$body); })+
        }
    };
}
pub(crate) use on_both;

/// A database with a table `notes`, and its store.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) url: String,
}

impl Database {
    async fn new(url: String) -> Self {
        let store = Store::connect(&url).await.unwrap();
        store
            .writer()
            .execute_unprepared("CREATE TABLE notes (text TEXT NOT NULL UNIQUE)")
            .await
            .unwrap();
        Self { store, url }
    }

    /// The rows of a query.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.store.backend(), sql);
        self.store.reader().query_all_raw(statement).await.unwrap()
    }

    /// The first column of a query.
    pub(crate) async fn column<T: TryGetable>(&self, sql: &str) -> Vec<T> {
        let rows = self.rows(sql).await;
        rows.iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect()
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        self.column(&sql).await[0]
    }

    pub(crate) async fn notes(&self) -> Vec<String> {
        self.column("SELECT text FROM notes ORDER BY text").await
    }
}

/// A row of the app, in a transaction.
pub(crate) async fn note(tx: &Tx, text: &str) -> Result<(), DbErr> {
    let statement = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO notes (text) VALUES ($1)",
        [text.into()],
    );
    tx.execute_raw(statement).await.map(drop)
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A folder that is removed with this.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("events-store-{}", Uuid::now_v7()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The address of a SQLite file in it.
    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.0.join("test.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind in a place for temporary ones does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn on_sqlite<F: Future<Output = ()>>(body: impl FnOnce(Database) -> F) {
    let folder = Folder::new();
    block_on(async { body(Database::new(folder.url()).await).await });
}

/// The address of the server to test with, or a visible skip.
pub(crate) fn postgres_url(test: &str) -> Option<String> {
    let url = std::env::var("EVENTS_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        events_tests::skip(&format!(
            "on Postgres: `{test}`; set EVENTS_TEST_POSTGRES_URL to run it"
        ));
    }
    url
}

pub(crate) fn on_postgres<F>(test: &str, body: impl FnOnce(Database) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    with_postgres_database(test, |url| async { body(Database::new(url).await).await });
}

/// Gives the address of an empty database, which is dropped afterwards.
pub(crate) fn with_postgres_database<F>(test: &str, body: impl FnOnce(String) -> F)
where
    F: Future<Output = ()>,
{
    let Some(server) = postgres_url(test) else {
        return;
    };
    let name = format!("events_test_{}", Uuid::now_v7().simple());
    let (base, _) = server
        .rsplit_once('/')
        .expect("the address names a database");
    let url = format!("{base}/{name}");
    let admin = |sql: String| {
        let server = &server;
        async move {
            let admin = sea_orm::Database::connect(server).await.unwrap();
            admin.execute_unprepared(&sql).await.unwrap();
            admin.close().await.unwrap();
        }
    };
    block_on(admin(format!("CREATE DATABASE {name}")));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(body(url))));
    block_on(admin(format!("DROP DATABASE {name} WITH (FORCE)")));
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}
