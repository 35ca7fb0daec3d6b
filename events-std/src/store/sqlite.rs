//! SQLite: one connection writes, several read, and each is checked for the settings that the store relies on.

use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{self, ConnectOptions, Row};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxSqliteConnector};

use super::{Durability, StoreError, StoreOptions};

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
        .disable_statement_logging();
    let wanted = Wanted {
        journal: if in_memory { "memory" } else { "wal" },
        synchronous: match options.durability {
            Durability::PowerLoss => 2,
            Durability::ProcessDeath => 1,
        },
        busy_timeout: i64::try_from(options.busy_timeout.as_millis()).unwrap_or(i64::MAX),
    };
    let pool = |connections: u32| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |connection, _| Box::pin(wanted.check(connection)))
    };
    let writer = pool(1)
        .connect_with(connect.clone())
        .await
        .map_err(failed)?;
    let writer = SqlxSqliteConnector::from_sqlx_sqlite_pool(writer);
    // A database in memory is one connection's own.
    let reader = if in_memory {
        writer.clone()
    } else {
        let reader = pool(options.connections)
            .connect_with(connect.create_if_missing(false))
            .await
            .map_err(failed)?;
        SqlxSqliteConnector::from_sqlx_sqlite_pool(reader)
    };
    Ok((writer, reader))
}

/// The settings that every connection must have.
#[derive(Clone, Copy)]
struct Wanted {
    journal: &'static str,
    synchronous: i64,
    busy_timeout: i64,
}

impl Wanted {
    async fn check(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let journal: String = pragma(connection, "PRAGMA journal_mode").await?;
        compare("journal_mode", journal, self.journal.to_owned())?;
        for (setting, statement, wanted) in [
            ("synchronous", "PRAGMA synchronous", self.synchronous),
            ("foreign_keys", "PRAGMA foreign_keys", 1),
            ("busy_timeout", "PRAGMA busy_timeout", self.busy_timeout),
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

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::Database(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}
