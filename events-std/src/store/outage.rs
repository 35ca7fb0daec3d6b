//! Whether a failure is of the database's state, which passes, rather than of what was asked of it.

use sea_orm::{DbBackend, DbErr};

use super::StoreError;

impl StoreError {
    /// Whether the database was away, full, locked or short of something: what was asked may succeed later.
    pub(crate) fn is_outage(&self, backend: DbBackend) -> bool {
        match self {
            Self::Database(error) => is_outage(error, backend),
            Self::NoAnswer(_) | Self::Unreachable { .. } => true,
            _ => false,
        }
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn is_outage(error: &DbErr, backend: DbBackend) -> bool {
    use sea_orm::RuntimeErr;
    use sea_orm::sqlx::Error;

    let error = match error {
        DbErr::ConnectionAcquire(_) => return true,
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => error,
        _ => return false,
    };
    match &**error {
        Error::Database(error) => error.code().is_some_and(|code| match backend {
            // Postgres, Appendix A: connections, resources, an operator, the system around it.
            DbBackend::Postgres => ["08", "53", "57", "58"].contains(&code.get(..2).unwrap_or("")),
            // BUSY, NOMEM, READONLY, IOERR, FULL, CANTOPEN, in the lowest byte of an extended code.
            _ => code
                .parse::<u32>()
                .is_ok_and(|code| [5, 7, 8, 10, 13, 14].contains(&(code & 0xff))),
        }),
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => true,
        _ => false,
    }
}

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
fn is_outage(_: &DbErr, _: DbBackend) -> bool {
    false
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend};

    use crate::store::{Store, StoreError};

    #[tokio::test]
    async fn a_full_disk_is_one_and_a_wrong_statement_is_none() {
        let store = Store::connect("sqlite::memory:").await.unwrap();
        let writer = store.writer();
        let table = "CREATE TABLE texts (id INTEGER PRIMARY KEY, text BLOB)";
        writer.execute_unprepared(table).await.unwrap();
        writer
            .execute_unprepared("PRAGMA max_page_count = 1")
            .await
            .unwrap();
        let is_outage = async |statement: &str| {
            let error = writer.execute_unprepared(statement).await.unwrap_err();
            StoreError::from(error).is_outage(DbBackend::Sqlite)
        };
        assert!(is_outage("INSERT INTO texts (text) VALUES (zeroblob(1000000))").await);
        assert!(!is_outage("INSERT INTO texts (id) VALUES (1), (1)").await);
        assert!(!is_outage("INSERT INTO nowhere (id) VALUES (1)").await);
    }
}
