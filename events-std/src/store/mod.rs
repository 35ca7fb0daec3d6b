//! The database: connection, migrations, transactions. It knows nothing of jobs or integrations but how their tables
//! are made.

mod answer;
mod clock;
mod connect;
mod encryption;
mod error;
mod insert;
mod join;
mod ledger;
mod listen;
mod migrate;
mod outage;
mod outbox;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
mod schema;
#[cfg(feature = "postgres")]
mod silence;
#[cfg(feature = "sqlite")]
mod sqlite;
mod to_its_end;
mod transaction;
mod tx;

use std::sync::Arc;
use std::time::Duration;

use events_core::Events;
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::Notify;

pub(crate) use answer::answered;
#[cfg(feature = "postgres")]
pub(crate) use clock::TIME_OF_LEASES;
pub(crate) use clock::time_of_leases;
pub use connect::{Durability, StoreOptions};
pub(crate) use encryption::Keyring;
pub use encryption::{EncryptionError, EncryptionKey};
pub use error::StoreError;
pub use join::{AppTransaction, Joined};
pub(crate) use listen::{Listening, listen, tell_workers};
#[cfg(feature = "postgres")]
pub(crate) use outbox::CHANNEL;
pub(crate) use outbox::{write, write_at_once, write_taken};
pub(crate) use place::place;
pub(crate) use rows::{
    Columns, execute, for_update, json_or_null, listed, row, rows, skip_locked, text, text_or_null,
    time, time_or_null, wanted,
};
pub use tx::Tx;

/// A database of events: SQLite, embedded in the program, or Postgres. A cheap handle, which clones share.
///
/// ```no_run
/// # async fn run() -> Result<(), events_std::StoreError> {
/// use events_std::Store;
///
/// let store = Store::connect("sqlite:app.db").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    events: Option<Events>,
    /// How long its transactions wait for the database; none: for as long as it takes.
    answers_within: Option<Duration>,
}

struct Inner {
    /// SQLite has one writer: a pool of one connection, whose transactions are immediate.
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    /// SQLite's file, unless the database is in memory.
    #[cfg(feature = "sqlite")]
    file: Option<place::OpenFile>,
    #[cfg(feature = "postgres")]
    silence: Arc<silence::Silence>,
    backend: DbBackend,
    pushed: Arc<Notify>,
}

impl Store {
    /// Connects with the default options and brings the tables up to date. A SQLite file is made if it is missing.
    ///
    /// # Errors
    ///
    /// If the address is of no known database, the database cannot be reached, or a migration fails.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        StoreOptions::new(url).connect().await
    }

    /// The same store for transactions of another dispatcher than the current one.
    #[must_use]
    pub fn with_events(&self, events: &Events) -> Self {
        Self {
            inner: self.inner.clone(),
            events: Some(events.clone()),
            answers_within: self.answers_within,
        }
    }

    /// Which database it is.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.inner.backend
    }

    /// Connections for reading; on SQLite they refuse to write. In a transaction, read through its own `tx`: these do
    /// not see what it wrote, and in memory, where there is one connection, they wait for its end.
    #[must_use]
    pub fn reader(&self) -> &DatabaseConnection {
        &self.inner.reader
    }

    /// The connection for writing. On SQLite there is one: begin transactions with [`transaction`](Self::transaction),
    /// which makes them immediate.
    #[must_use]
    pub fn writer(&self) -> &DatabaseConnection {
        &self.inner.writer
    }

    /// How many transactions may be open for long while others find a connection: at least 1.
    pub(crate) fn spare_connections(&self) -> usize {
        match self.inner.backend {
            #[cfg(feature = "postgres")]
            DbBackend::Postgres => {
                let pool = self.writer().get_postgres_connection_pool();
                let all = usize::try_from(pool.options().get_max_connections()).unwrap_or(1);
                all.saturating_sub(1).max(1)
            }
            _ => 1,
        }
    }

    /// Whether what is written now is kept: SQLite goes on writing into a file that was deleted, and says nothing.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(clippy::unused_self, reason = "Postgres has no file")
    )]
    pub(crate) fn check_file(&self) -> Result<(), StoreError> {
        #[cfg(feature = "sqlite")]
        if let Some(file) = &self.inner.file
            && !file.is_there()
        {
            return Err(StoreError::FileGone(file.path().to_owned()));
        }
        Ok(())
    }

    /// The database does not answer: what is asked from now on goes through new connections. SQLite has none to a machine
    /// elsewhere.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_self, reason = "SQLite is never silent")
    )]
    pub(crate) fn note_silence(&self) {
        #[cfg(feature = "postgres")]
        self.inner.silence.note();
    }

    /// Waits until [a silence](Self::note_silence) is noted, from the call on.
    #[cfg(feature = "postgres")]
    fn falls_silent(&self) -> impl Future<Output = ()> + use<> {
        self.inner.silence.is_noted()
    }

    /// SQLite never does.
    #[cfg(not(feature = "postgres"))]
    #[expect(clippy::unused_self, reason = "SQLite is never silent")]
    fn falls_silent(&self) -> impl Future<Output = ()> + use<> {
        std::future::pending()
    }

    /// Whether it is the same store, or a clone of it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Told after each commit of jobs in this process.
    pub(crate) fn pushed(&self) -> &Arc<Notify> {
        &self.inner.pushed
    }

    /// Closes all connections. Transactions that are open fail.
    ///
    /// # Errors
    ///
    /// If the database says so.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.inner.writer.clone().close().await?;
        self.inner.reader.clone().close().await?;
        Ok(())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({:?})", self.inner.backend)
    }
}
