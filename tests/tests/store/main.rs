//! The store, on SQLite and on Postgres alike. The Postgres half asks for `EVENTS_TEST_POSTGRES_URL`, and skips
//! visibly without it.

mod cancel;
mod connect;
mod database;
mod file;
mod jobs;
mod join;
mod migrate;
mod savepoint;
mod transaction;

use std::sync::Mutex;

use events_core::{Events, EventsBuilder};

use database::Database;

/// What listeners wrote, in order.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
}

fn log(events: &Events) -> Vec<String> {
    std::mem::take(&mut events.state::<Log>().unwrap().0.lock().unwrap())
}

/// A dispatcher of the listeners of one module, with a log and the database's queue.
fn builder(database: &Database, module: &str) -> EventsBuilder {
    Events::builder()
        .only_linked_in(module)
        .state(Log::default())
        .queue(database.store.queue())
}
