//! What can go wrong with the database.

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::{DbBackend, DbErr};

/// What can go wrong with the database.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address names no database that is known. It may hold a password, so this tells of its scheme alone.
    #[error(
        "the address of the database {0}: write `sqlite:FILE`, `sqlite::memory:` or `postgres://USER@HOST/DATABASE`"
    )]
    UnknownAddress(String),
    /// The address is of a database whose driver this program was built without.
    #[error(
        "this program was built without the driver for `{0}`: enable the feature `{0}` of `events-std`"
    )]
    NoDriver(&'static str),
    /// A connection does not have a setting that the store relies on.
    #[error(
        "the connection has {setting} = {found}, but {wanted} was asked for: does the file lie on a network share, or does another program change it?"
    )]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// SQLite cannot open the file, or it is none of its own.
    #[error("the database file `{}` cannot be opened: {hint}; SQLite says: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
        /// The database's own error.
        #[source]
        error: DbErr,
    },
    /// Postgres cannot be reached.
    #[error(
        "Postgres cannot be reached at `{host}`, port {port}: is it running, is the address right, may this machine reach it? It says: {error}"
    )]
    Unreachable {
        /// The host, or the folder of its socket.
        host: String,
        /// The port.
        port: u16,
        /// The system's own error.
        #[source]
        error: std::io::Error,
    },
    /// The SQLite file was deleted, moved or replaced while it was open: what is written now would be lost.
    #[error(
        "the database file `{}` was deleted, moved or replaced while this program had it open, so that nothing more is written: stop all programs that use it, put the right file there, together with its `-wal` file, and start them anew",
        .0.display()
    )]
    FileGone(PathBuf),
    /// The tables are of a newer version than this program.
    #[error(
        "the database has schema version {found}, this program knows versions up to {known}: update the program"
    )]
    NewerSchema {
        /// The database's version.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// The task has a transaction open already.
    #[error(
        "this task has a transaction open already: use it, or `tx.savepoint`; a second one would wait for the first"
    )]
    TransactionOpen,
    /// Another savepoint of the transaction is open.
    #[error(
        "another savepoint of this transaction is open: open one in it through its own `tx`, or after it; two at once cannot be told apart"
    )]
    SavepointOpen,
    /// The transaction cannot be committed, although its block succeeded: the block ignored an error.
    #[error("the transaction cannot go on, only be rolled back: {0}")]
    Broken(&'static str),
    /// A job holds a text that the database cannot store.
    #[error(
        "the {what} of a job of `{listener}` holds the character U+0000, which a database cannot store as text"
    )]
    Nul {
        /// Which text.
        what: &'static str,
        /// The listener.
        listener: String,
    },
    /// The transaction is of another kind of database than the store.
    #[error(
        "the transaction is of {found:?}, the store of {wanted:?}: jobs can only join the rows of their own database"
    )]
    OtherDatabase {
        /// The transaction's.
        found: DbBackend,
        /// The store's.
        wanted: DbBackend,
    },
    /// The database failed. Trying again may help.
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    /// The database was reached, or seemed to be, and does not answer.
    #[error(
        "the database has not answered for {0:?}: is it stopped, overloaded, or cut off from this machine?"
    )]
    NoAnswer(Duration),
    /// The task that was to commit was stopped, as at the end of the runtime: whether it did is not known.
    #[error("the commit was interrupted: the runtime is shutting down")]
    Interrupted,
}

crate::error::debug_as_text!(StoreError);
