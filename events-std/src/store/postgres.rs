//! Postgres.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions, Connection};
use sea_orm::{DbErr, RuntimeErr, SqlxPostgresConnector};

use super::connect::Opened;
use super::silence::Silence;
use super::{StoreError, StoreOptions};

pub(super) async fn open(options: &StoreOptions) -> Result<Opened, StoreError> {
    let connect = options
        .url
        .parse::<PgConnectOptions>()
        .map_err(failed)?
        .application_name("events")
        .disable_statement_logging();
    // The pool would not say why it got none.
    first(&connect).await?.close().await.map_err(failed)?;
    let silence = Arc::new(Silence::default());
    let (taken, given_back) = (silence.clone(), silence.clone());
    let pool = PgPoolOptions::new()
        .max_connections(options.connections)
        // The pool's own test would wait for the answer of a connection from before a silence.
        .test_before_acquire(false)
        .before_acquire(move |connection, known| {
            let trusted = trust(&taken, known.age);
            Box::pin(async move {
                trusted?;
                connection.ping().await?;
                Ok(true)
            })
        })
        .after_release(move |_, known| {
            let trusted = trust(&given_back, known.age);
            Box::pin(async move { trusted.map(|()| true) })
        })
        .connect_lazy_with(connect);
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    Ok(Opened {
        writer: connection.clone(),
        reader: connection,
        #[cfg(feature = "sqlite")]
        file: None,
        silence,
    })
}

/// So long a server that is not there yet is waited for: it may be starting beside this program.
const STARTS_WITHIN: Duration = Duration::from_secs(5);

/// So long one that was reached may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

async fn first(connect: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let start = Instant::now();
    loop {
        let connected = tokio::time::timeout(ANSWERS_WITHIN, connect.connect()).await;
        match connected.map_err(|_| StoreError::NoAnswer(ANSWERS_WITHIN))? {
            Err(error) if may_be_starting(&error) && start.elapsed() < STARTS_WITHIN => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(sqlx::Error::Io(error)) => {
                return Err(StoreError::Unreachable {
                    host: connect.get_host().to_owned(),
                    port: connect.get_port(),
                    error,
                });
            }
            ended => return ended.map_err(failed),
        }
    }
}

fn may_be_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        // Postgres, Appendix A: cannot_connect_now.
        error => error
            .as_database_error()
            .and_then(DatabaseError::code)
            .is_some_and(|code| code == "57P03"),
    }
}

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::Database(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}

/// An error closes a connection at once, without a word to a server that would not answer.
fn trust(silence: &Silence, age: Duration) -> Result<(), sqlx::Error> {
    if silence.is_younger_than(age) {
        let text = "the database fell silent while this connection was open: it is replaced";
        return Err(io::Error::new(io::ErrorKind::TimedOut, text).into());
    }
    Ok(())
}
