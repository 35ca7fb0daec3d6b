//! SQLite: one connection writes, several read, and each is checked for the settings that the store relies on.

use std::time::{Duration, Instant};

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sea_orm::sqlx::{self, ConnectOptions, Connection, Row};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxSqliteConnector};

use super::{Durability, StoreError, StoreOptions};

/// So many rows a connection's thread reads ahead: a claim's rows, without a change of threads for every few.
const ROWS: usize = 512;

pub(super) async fn open(
    options: &StoreOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), StoreError> {
    let in_memory = options.url.contains(":memory:") || options.url.contains("mode=memory");
    let synchronous = match options.durability {
        Durability::PowerLoss => SqliteSynchronous::Full,
        Durability::ProcessDeath => SqliteSynchronous::Normal,
    };
    let connect = options
        .url
        .parse::<SqliteConnectOptions>()
        .map_err(failed)?
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(options.busy_timeout)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .row_buffer_size(ROWS)
        .disable_statement_logging();
    let wanted = Wanted {
        journal: if in_memory { "memory" } else { "wal" },
        synchronous: match options.durability {
            Durability::PowerLoss => 2,
            Durability::ProcessDeath => 1,
        },
        busy_timeout: i64::try_from(options.busy_timeout.as_millis()).unwrap_or(i64::MAX),
        query_only: 0,
    };
    let pool = |connections: u32, wanted: Wanted| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |connection, _| Box::pin(wanted.check(connection)))
            .before_acquire(move |connection, _| {
                // A rollback that SQLite did by itself leaves the connection with a wrong count of transactions.
                let sound = in_memory || !connection.is_in_transaction();
                Box::pin(async move { Ok(sound) })
            })
    };
    let writer = first(pool(1, wanted), &connect, options.busy_timeout).await?;
    let writer = SqlxSqliteConnector::from_sqlx_sqlite_pool(writer);
    // A database in memory is one connection's own.
    let reader = if in_memory {
        writer.clone()
    } else {
        let connect = connect.create_if_missing(false).pragma("query_only", "ON");
        let wanted = Wanted {
            query_only: 1,
            ..wanted
        };
        let pool = pool(options.connections, wanted);
        let reader = first(pool, &connect, options.busy_timeout).await?;
        SqlxSqliteConnector::from_sqlx_sqlite_pool(reader)
    };
    Ok((writer, reader))
}

/// Opens a pool with its first connection. SQLite does not wait for the lock where two processes turn one new file to
/// WAL at once: we do.
async fn first(
    pool: SqlitePoolOptions,
    connect: &SqliteConnectOptions,
    at_most: Duration,
) -> Result<SqlitePool, StoreError> {
    let start = Instant::now();
    loop {
        match pool.clone().connect_with(connect.clone()).await {
            Err(error) if is_busy(&error) && start.elapsed() < at_most => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            ended => return ended.map_err(failed),
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    // The primary code is the lowest byte: 5 is SQLITE_BUSY.
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

/// The settings that every connection must have.
#[derive(Clone, Copy)]
struct Wanted {
    journal: &'static str,
    synchronous: i64,
    busy_timeout: i64,
    query_only: i64,
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
