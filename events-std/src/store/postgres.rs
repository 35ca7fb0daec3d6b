//! Postgres.

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions};
use sea_orm::{DbErr, RuntimeErr, SqlxPostgresConnector};

use super::connect::Opened;
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
    let pool = PgPoolOptions::new()
        .max_connections(options.connections)
        .connect_with(connect)
        .await
        .map_err(failed)?;
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    Ok(Opened {
        writer: connection.clone(),
        reader: connection,
        #[cfg(feature = "sqlite")]
        file: None,
    })
}
