//! SQLite's file: one that cannot be opened, and one that is deleted or replaced while it is open.

use std::path::Path;
use std::time::{Duration, Instant};

use events_core::{Event, Events, listener};
use events_std::{Store, StoreError, Worker, WorkerError};
use sea_orm::{ConnectionTrait, Statement};

use crate::connect::on_runtime;
use crate::database::Folder;

/// What the error of an address says, which is to be about this file.
async fn not_opened(path: &Path) -> String {
    let error = Store::connect(&format!("sqlite:{}", path.display())).await;
    let error = error.unwrap_err();
    assert!(
        matches!(&error, StoreError::File { path: named, .. } if named == path),
        "{error:?}"
    );
    error.to_string()
}

#[test]
fn a_file_that_cannot_be_opened_is_named_with_what_to_do() {
    let folder = Folder::new();
    on_runtime(async {
        let said = not_opened(&folder.0).await;
        assert!(said.contains("it is a folder: name a file in it"), "{said}");
        let said = not_opened(&folder.0.join("missing").join("test.db")).await;
        assert!(said.contains("its folder does not exist"), "{said}");
        let notes = folder.0.join("notes.txt");
        std::fs::write(
            &notes,
            "Milk, eggs, and a longer text than a header has. ".repeat(40),
        )
        .unwrap();
        let said = not_opened(&notes).await;
        assert!(said.contains("no SQLite database"), "{said}");
        let text = std::fs::read_to_string(&notes).unwrap();
        assert!(text.starts_with("Milk, eggs"), "it is left as it was");
        let said = not_opened(&notes.join("test.db")).await;
        assert!(said.contains("permissions"), "{said}");
    });
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "file.told")]
struct Told;

#[listener(Told, queue)]
fn hears(_: &Told) {}

fn events(store: &Store) -> Events {
    Events::builder()
        .only_linked_in(module_path!())
        .queue(store.queue())
        .build()
        .unwrap()
}

/// A transaction's own error.
async fn refused(store: &Store) -> StoreError {
    let ran = store.transaction(async |_| Ok::<_, StoreError>(())).await;
    ran.unwrap_err()
}

#[test]
fn nothing_is_written_into_a_file_that_is_not_there_any_more() {
    on_runtime(async {
        for replaced in [false, true] {
            let folder = Folder::new();
            let store = Store::connect(&folder.url()).await.unwrap();
            let events = events(&store);
            let file = folder.0.join("test.db");
            let kept = folder.0.join("kept.db");
            std::fs::rename(&file, &kept).unwrap();
            if replaced {
                std::fs::copy(&kept, &file).unwrap();
            }
            let error = refused(&store).await;
            assert!(matches!(&error, StoreError::FileGone(path) if *path == file));
            let said = error.to_string();
            assert!(
                said.contains("test.db") && said.contains("start them anew"),
                "{said}"
            );
            let error = events.dispatch(&Told).await.unwrap_err().to_string();
            assert!(error.contains("was deleted, moved or replaced"), "{error}");
            let worker = Worker::new(&events, &store);
            let ended = worker.run_until(std::future::pending()).await;
            let error = ended.unwrap_err();
            assert!(matches!(error, WorkerError::FileGone(_)), "{error}");
            // The same file again: what was there is there.
            std::fs::rename(&kept, &file).unwrap();
            events.dispatch(&Told).await.unwrap();
        }
    });
}

#[test]
fn a_worker_ends_when_its_file_goes() {
    let folder = Folder::new();
    on_runtime(async {
        let store = Store::connect(&folder.url()).await.unwrap();
        let events = events(&store);
        let works = Worker::new(&events, &store).run_until(std::future::pending());
        let deletes = async {
            let deadline = Instant::now() + Duration::from_secs(30);
            let workers = "SELECT COUNT(*) FROM events_workers";
            while column(&store, workers).await == 0 {
                assert!(Instant::now() < deadline, "it does not start");
                tokio::task::yield_now().await;
            }
            std::fs::remove_file(folder.0.join("test.db")).unwrap();
        };
        let (ended, ()) = tokio::join!(works, deletes);
        assert!(matches!(ended.unwrap_err(), WorkerError::FileGone(_)));
    });
}

async fn column(store: &Store, sql: &str) -> i64 {
    let statement = Statement::from_string(store.backend(), sql);
    let row = store.reader().query_one_raw(statement).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}
