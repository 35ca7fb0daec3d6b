//! The clock by which holds are judged.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use super::{Columns, StoreError, row};

/// The time of Postgres itself, in milliseconds.
const TIME: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// [`time_of_leases`] within a statement of Postgres, in milliseconds.
#[cfg(feature = "postgres")]
pub(crate) const TIME_OF_LEASES: &str = TIME;

/// The time by which it is judged whether a hold has lapsed, the same for every machine: Postgres's own. All processes of
/// a SQLite file run on one machine, so that its clock is that of the app: `now`.
pub(crate) async fn time_of_leases(
    connection: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, StoreError> {
    if connection.get_database_backend() != DbBackend::Postgres {
        return Ok(now);
    }
    let sql = format!("SELECT {TIME}");
    let row = row(connection, sql, []).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the time".to_owned()))?;
    Ok(Columns::of(&row).time()?)
}
