//! Migrations: by many at once, and by a program that is older than the tables.

use std::process::Command;

use events_std::{Store, StoreError, StoreOptions};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::database::{Database, Folder, on_both, with_postgres_database};

const URL: &str = "EVENTS_TEST_MIGRATE_URL";

/// What a process of the test below does.
#[test]
#[ignore = "run by the tests of several processes"]
fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        Store::connect(&url).await.unwrap();
    });
}

/// Connects to an empty database from 8 processes, and from 8 tasks of this one.
async fn at_once(url: String) {
    let children: Vec<_> = (0..8)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "migrate::child", "--ignored"])
                .env(URL, &url)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let options = StoreOptions::new(&url).connections(1);
            tokio::spawn(options.connect())
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
    }
    let store = Store::connect(&url).await.unwrap();
    let database = Database { store, url };
    let versions = "SELECT COUNT(*) - COUNT(DISTINCT version) FROM events_schema";
    assert_eq!(database.column::<i64>(versions).await, [0]);
    assert!(database.count("events_schema").await > 0);
}

#[test]
fn many_at_once_on_sqlite() {
    let folder = Folder::new();
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(at_once(folder.url()));
}

#[test]
fn many_at_once_on_postgres() {
    with_postgres_database("many_at_once_on_postgres", at_once);
}

async fn a_newer_schema_is_refused(database: Database) {
    let version = "SELECT MAX(version) FROM events_schema";
    let known = database.column::<i64>(version).await[0];
    database.store.migrate().await.unwrap();
    assert_eq!(database.column::<i64>(version).await, [known]);
    let newer = format!("INSERT INTO events_schema VALUES ({}, 0)", known + 1);
    database
        .store
        .writer()
        .execute_unprepared(&newer)
        .await
        .unwrap();
    let error = Store::connect(&database.url).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::NewerSchema { found, .. } if found == known + 1
    ));
    assert!(error.to_string().contains("update the program"));
    StoreOptions::new(&database.url)
        .without_migrations()
        .connect()
        .await
        .unwrap();
}

/// Leases that an older program left: those of integrations that are gone, go; the others keep their fence.
async fn leases_of_an_older_program_are_kept_with_their_integrations(database: Database) {
    let integration =
        "INSERT INTO events_integrations (uid, provider, name, created_at, updated_at) VALUES ";
    let uid = match database.store.backend() {
        DbBackend::Postgres => "'0190163d-8694-739b-aea5-966c26f8ad90'",
        _ => "x'0190163d8694739baea5966c26f8ad90'",
    };
    let statements = [
        "DELETE FROM events_schema WHERE version >= 7",
        "DROP TABLE events_unknown",
        "DROP INDEX events_jobs_behind",
        "DROP INDEX events_jobs_ready",
        "ALTER TABLE events_jobs DROP COLUMN behind",
        "CREATE INDEX events_jobs_ready ON events_jobs (queue, run_at, id) WHERE state = 0",
        "ALTER TABLE events_integrations DROP COLUMN token_lifetime",
        "DROP TABLE events_leases",
        "CREATE TABLE events_leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, expires_at BIGINT NOT NULL, \
         fence BIGINT NOT NULL, outcome TEXT)",
        &format!("{integration} ({uid}, 'desk', 'Support', 0, 0)"),
        "INSERT INTO events_leases (name, holder, expires_at, fence) \
         SELECT 'oauth/' || id, 'host/1', 0, 7 FROM events_integrations",
        "INSERT INTO events_leases (name, holder, expires_at, fence) VALUES ('oauth/999', 'host/1', 0, 8)",
    ];
    for statement in statements {
        let writer = database.store.writer();
        writer.execute_unprepared(statement).await.unwrap();
    }
    database.store.migrate().await.unwrap();
    let kept = "SELECT l.fence FROM events_leases AS l JOIN events_integrations AS i ON i.id = l.integration_id";
    assert_eq!(database.column::<i64>(kept).await, [7]);
    assert_eq!(database.count("events_leases").await, 1);
}

/// What is for Postgres alone is no step of SQLite, and both count the same steps.
async fn a_table_has_room_for_rows_that_change_where_the_database_knows_of_it(database: Database) {
    let version = "SELECT MAX(version) FROM events_schema";
    assert!(database.column::<i64>(version).await[0] >= 9);
    if database.store.backend() == DbBackend::Postgres {
        let options =
            "SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE relname = 'events_jobs'";
        let found = database.column::<String>(options).await;
        assert_eq!(found, ["fillfactor=50"]);
    }
}

on_both!(
    a_newer_schema_is_refused,
    a_table_has_room_for_rows_that_change_where_the_database_knows_of_it,
    leases_of_an_older_program_are_kept_with_their_integrations,
);
