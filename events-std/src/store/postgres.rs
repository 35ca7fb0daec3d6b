//! Postgres.

use std::io;
use std::sync::Arc;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions, Connection};
use sea_orm::{DbErr, RuntimeErr, SqlxPostgresConnector};

use super::connect::Opened;
use super::silence::Silence;
use super::{StoreError, StoreOptions};

pub(super) async fn open(options: &StoreOptions) -> Result<Opened, StoreError> {
    let failed =
        |error: sqlx::Error| StoreError::Database(DbErr::Conn(RuntimeErr::SqlxError(error.into())));
    let connect = options
        .url
        .parse::<PgConnectOptions>()
        .map_err(failed)?
        .application_name("events")
        .disable_statement_logging();
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
        .connect_with(connect)
        .await
        .map_err(failed)?;
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    Ok(Opened {
        writer: connection.clone(),
        reader: connection,
        #[cfg(feature = "sqlite")]
        file: None,
        silence,
    })
}

/// An error closes a connection at once, without a word to a server that would not answer.
fn trust(silence: &Silence, age: std::time::Duration) -> Result<(), sqlx::Error> {
    if silence.is_younger_than(age) {
        let text = "the database fell silent while this connection was open: it is replaced";
        return Err(io::Error::new(io::ErrorKind::TimedOut, text).into());
    }
    Ok(())
}
