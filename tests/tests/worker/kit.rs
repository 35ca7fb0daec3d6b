//! Databases for tests: a file of its own on SQLite, a database of its own on Postgres.

#![allow(dead_code, reason = "each test program uses a part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use events_std::Store;
use sea_orm::{ConnectionTrait, Database, Statement};

/// Runs a test on every database that is there, each in a runtime of its own. Says so where Postgres is not.
pub(crate) fn on_every_database<F: Future<Output = ()>>(test: impl Fn(Base) -> F) {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        runtime().block_on(async {
            if let Some(base) = Base::of(kind).await {
                test(base.clone()).await;
                base.remove().await;
            }
        });
    }
}

/// A runtime with two threads.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Waits until a condition holds, and fails if it does not within half a minute.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A database of one test.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) url: String,
    /// For files of the test.
    pub(crate) folder: PathBuf,
    /// The server and the database's name.
    postgres: Option<(String, String)>,
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "events_test_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A new folder of a test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

impl Base {
    /// An empty database. None: Postgres is not there.
    pub(crate) async fn of(kind: Kind) -> Option<Self> {
        match (kind, std::env::var("EVENTS_TEST_POSTGRES_URL")) {
            (Kind::Sqlite, _) => Some(Self::sqlite()),
            (Kind::Postgres, Ok(server)) => Some(Self::postgres(&server).await),
            (Kind::Postgres, Err(_)) => {
                events_tests::skip("on Postgres: EVENTS_TEST_POSTGRES_URL is not set");
                None
            }
        }
    }

    pub(crate) fn sqlite() -> Self {
        Self::sqlite_in(&folder(&unique()))
    }

    /// A file in this folder.
    pub(crate) fn sqlite_in(folder: &Path) -> Self {
        let url = format!("sqlite:{}", folder.join("test.db").display());
        Self::existing(&url, folder)
    }

    /// A database that somebody else made, and will remove.
    pub(crate) fn existing(url: &str, folder: &Path) -> Self {
        Self {
            url: url.to_owned(),
            folder: folder.to_owned(),
            postgres: None,
        }
    }

    async fn postgres(server: &str) -> Self {
        let name = unique();
        let admin = Database::connect(server).await.expect("Postgres answers");
        for statement in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name}"),
        ] {
            admin
                .execute_unprepared(&statement)
                .await
                .expect("an own database");
        }
        let (address, _) = server.rsplit_once('/').expect("a database in the address");
        Self {
            url: format!("{address}/{name}"),
            folder: folder(&name),
            postgres: Some((server.to_owned(), name)),
        }
    }

    pub(crate) async fn remove(&self) {
        let Some((server, name)) = &self.postgres else {
            return;
        };
        let admin = Database::connect(server).await.expect("Postgres answers");
        admin
            .execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await
            .expect("it is dropped");
    }

    pub(crate) async fn store(&self) -> Store {
        Store::connect(&self.url).await.expect("a store")
    }
}

/// The number that a query gives.
pub(crate) async fn number(store: &Store, query: &str) -> i64 {
    let row = store
        .writer()
        .query_one_raw(Statement::from_string(store.backend(), query))
        .await
        .expect("a query")
        .expect("a row");
    row.try_get_by_index(0).expect("a number")
}

/// The id that a query gives.
pub(crate) async fn uuid(store: &Store, query: &str) -> uuid::Uuid {
    let statement = Statement::from_string(store.backend(), query);
    let row = store.writer().query_one_raw(statement).await;
    let row = row.expect("a query").expect("a row");
    row.try_get_by_index(0).expect("an id")
}

/// Jobs by state: pending, running, done, parked.
pub(crate) async fn states(store: &Store) -> [i64; 4] {
    let mut states = [0; 4];
    let rows = store
        .writer()
        .query_all_raw(Statement::from_string(
            store.backend(),
            "SELECT CAST(state AS BIGINT), COUNT(*) FROM events_jobs GROUP BY state",
        ))
        .await
        .expect("the jobs");
    for row in rows {
        let state: i64 = row.try_get_by_index(0).expect("a state");
        states[usize::try_from(state).expect("a state")] =
            row.try_get_by_index(1).expect("a count");
    }
    states
}
