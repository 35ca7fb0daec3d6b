//! SQLite: one connection writes, several read, and each is checked for the settings that the store relies on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sea_orm::sqlx::{self, ConnectOptions, Connection, Row};
use sea_orm::{DbErr, RuntimeErr, SqlxSqliteConnector};

use super::connect::Opened;
use super::place::OpenFile;
use super::{Durability, StoreError, StoreOptions};

/// So many rows a connection's thread reads ahead: a claim's rows, without a change of threads for every few.
const ROWS: usize = 512;

/// So much of the file a connection that reads keeps in memory, in KiB, negative as SQLite has it. There are several, and
/// the system holds the file too: what each would keep by default, 2 MiB, is what a program grows by as its tables do.
const READ_CACHE: i64 = -512;
/// The same of the one that writes: SQLite's default.
const WRITE_CACHE: i64 = -2_000;

pub(super) async fn open(options: &StoreOptions) -> Result<Opened, StoreError> {
    let in_memory = options.url.contains(":memory:") || options.url.contains("mode=memory");
    let synchronous = match options.durability {
        Durability::PowerLoss => SqliteSynchronous::Full,
        Durability::ProcessDeath => SqliteSynchronous::Normal,
    };
    // `mode=rw` says the same, as in SQLite's own addresses.
    let create = options.create && !options.url.split(['?', '&']).any(|part| part == "mode=rw");
    let connect = options
        .url
        .parse::<SqliteConnectOptions>()
        .map_err(failed)?
        .create_if_missing(create)
        .foreign_keys(true)
        .busy_timeout(options.busy_timeout)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .pragma("cache_size", WRITE_CACHE.to_string())
        .row_buffer_size(ROWS)
        .disable_statement_logging();
    // Wherever the program goes later, its further connections are of the same file.
    let path = if in_memory {
        None
    } else {
        std::path::absolute(connect.get_filename()).ok()
    };
    let connect = match &path {
        Some(path) => connect.filename(path),
        None => connect,
    };
    let opened = Arc::new(OnceLock::new());
    let wanted = Wanted {
        journal: if in_memory { "memory" } else { "wal" },
        synchronous: match options.durability {
            Durability::PowerLoss => 2,
            Durability::ProcessDeath => 1,
        },
        busy_timeout: i64::try_from(options.busy_timeout.as_millis()).unwrap_or(i64::MAX),
        query_only: 0,
        cache_size: WRITE_CACHE,
    };
    let pool = |connections: u32, wanted: Wanted| {
        let opened = opened.clone();
        SqlitePoolOptions::new()
            .max_connections(connections)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |connection, _| {
                let checked = is_of(&opened);
                Box::pin(async move {
                    checked?;
                    wanted.check(connection).await
                })
            })
            .before_acquire(move |connection, _| {
                // A rollback that SQLite did by itself leaves the connection with a wrong count of transactions.
                let sound = in_memory || !connection.is_in_transaction();
                Box::pin(async move { Ok(sound) })
            })
    };
    let writer = first(pool(1, wanted), &connect, create, options.busy_timeout).await?;
    let file = path.as_deref().and_then(OpenFile::at);
    if let Some(file) = &file {
        // Nothing else sets it.
        let _ = opened.set(file.clone());
    }
    let writer = SqlxSqliteConnector::from_sqlx_sqlite_pool(writer);
    // A database in memory is one connection's own.
    let reader = if in_memory {
        writer.clone()
    } else {
        let connect = connect
            .create_if_missing(false)
            .pragma("query_only", "ON")
            .pragma("cache_size", READ_CACHE.to_string());
        let wanted = Wanted {
            query_only: 1,
            cache_size: READ_CACHE,
            ..wanted
        };
        let pool = pool(options.connections, wanted);
        let reader = first(pool, &connect, false, options.busy_timeout).await?;
        SqlxSqliteConnector::from_sqlx_sqlite_pool(reader)
    };
    Ok(Opened {
        writer,
        reader,
        file,
        #[cfg(feature = "postgres")]
        silence: Arc::default(),
    })
}

/// A connection that is opened later is of the file of the first, or of none.
fn is_of(opened: &OnceLock<OpenFile>) -> Result<(), sqlx::Error> {
    match opened.get() {
        Some(file) if !file.is_there() => {
            let gone = StoreError::FileGone(file.path().to_owned());
            Err(sqlx::Error::Configuration(Box::new(gone)))
        }
        _ => Ok(()),
    }
}

/// Opens a pool with its first connection. SQLite does not wait for the lock where two processes turn one new file to
/// WAL at once: we do.
async fn first(
    pool: SqlitePoolOptions,
    connect: &SqliteConnectOptions,
    create: bool,
    at_most: Duration,
) -> Result<SqlitePool, StoreError> {
    let start = Instant::now();
    loop {
        match pool.clone().connect_with(connect.clone()).await {
            Err(error) if is_busy(&error) && start.elapsed() < at_most => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(not_opened(error, connect.get_filename(), create)),
            Ok(pool) => return Ok(pool),
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(5)
}

/// `SQLite`'s code without what an extended one adds: the lowest byte.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error().and_then(DatabaseError::code)?;
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

/// What is wrong with a file that cannot be opened, and what to do.
fn not_opened(error: sqlx::Error, path: &Path, create: bool) -> StoreError {
    let folder = path.parent();
    let hint = match primary_code(&error) {
        _ if path.is_dir() => "it is a folder: name a file in it",
        // CANTOPEN
        Some(14) if folder.is_some_and(|folder| !folder.exists()) => {
            "its folder does not exist: make it, or name the file from another working directory"
        }
        Some(14) if !create && !path.exists() => {
            "there is no such file, and this program makes none: name the right one"
        }
        // PERM, READONLY, CANTOPEN
        Some(3 | 8 | 14) => {
            "the program must be allowed to read and write the file and its folder, where SQLite makes its `-wal` file: \
             change their permissions, or the user that runs the program"
        }
        // CORRUPT, NOTADB
        Some(11 | 26) => {
            "it is damaged, or no SQLite database: restore it from a copy, or name another file"
        }
        _ => return failed(error),
    };
    StoreError::File {
        path: PathBuf::from(path),
        hint,
        error: DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}

/// The settings that every connection must have.
#[derive(Clone, Copy)]
struct Wanted {
    journal: &'static str,
    synchronous: i64,
    busy_timeout: i64,
    query_only: i64,
    cache_size: i64,
}

impl Wanted {
    async fn check(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let journal: String = pragma(connection, "PRAGMA journal_mode").await?;
        compare("journal_mode", journal, self.journal.to_owned())?;
        for (setting, statement, wanted) in [
            ("synchronous", "PRAGMA synchronous", self.synchronous),
            ("foreign_keys", "PRAGMA foreign_keys", 1),
            ("busy_timeout", "PRAGMA busy_timeout", self.busy_timeout),
            ("query_only", "PRAGMA query_only", self.query_only),
            ("cache_size", "PRAGMA cache_size", self.cache_size),
        ] {
            let found: i64 = pragma(connection, statement).await?;
            compare(setting, found.to_string(), wanted.to_string())?;
        }
        Ok(())
    }
}

async fn pragma<T>(
    connection: &mut SqliteConnection,
    statement: &'static str,
) -> Result<T, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    sqlx::query(statement)
        .fetch_one(connection)
        .await?
        .try_get(0)
}

fn compare(setting: &'static str, found: String, wanted: String) -> Result<(), sqlx::Error> {
    if found == wanted {
        return Ok(());
    }
    Err(sqlx::Error::Configuration(Box::new(StoreError::Setting {
        setting,
        found,
        wanted,
    })))
}

/// A setting that is wrong, as itself.
fn failed(error: sqlx::Error) -> StoreError {
    let error = match error {
        sqlx::Error::Configuration(error) => match error.downcast::<StoreError>() {
            Ok(error) => return *error,
            Err(error) => sqlx::Error::Configuration(error),
        },
        error => error,
    };
    StoreError::Database(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}
