//! Databases for tests: a file of its own on SQLite, a database of its own on Postgres.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use events_std::Store;
use sea_orm::{ConnectionTrait, Database, Statement};

/// Runs a test on every database that is there, each in a runtime of its own. Says so where Postgres is not.
pub(crate) fn on_every_database<F: Future<Output = ()>>(test: impl Fn(Base) -> F) {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    };
    runtime().block_on(async { test(Base::sqlite()).await });
    match std::env::var("EVENTS_TEST_POSTGRES_URL") {
        Ok(server) => runtime().block_on(async {
            let base = Base::postgres(&server).await;
            test(base.clone()).await;
            base.drop_postgres().await;
        }),
        Err(_) => eprintln!("SKIPPED on Postgres: EVENTS_TEST_POSTGRES_URL is not set"),
    }
}

/// A database of one test.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) url: String,
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

impl Base {
    fn sqlite() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self {
            url: format!("sqlite:{}", folder.join("test.db").display()),
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
            postgres: Some((server.to_owned(), name)),
        }
    }

    async fn drop_postgres(&self) {
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
