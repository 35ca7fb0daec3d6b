//! Parked jobs by what they have in common.

use chrono::{DateTime, Utc};
use sea_orm::{DbBackend, DbErr, QueryResult};
use serde::Serialize;

use super::filter::{Conditions, FailedFilter};
use super::{FailedJobs, time};
use crate::store::StoreError;

/// Parked jobs with one reason, listener and first line of the error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailedCause {
    /// Why they are parked: the word of a [`ParkReason`](events_core::ParkReason).
    pub reason: String,
    /// The listener's stored name.
    pub listener: String,
    /// The first line of what their last attempts said.
    pub error: String,
    /// How many they are.
    pub count: u64,
    /// When the first of them was parked.
    pub oldest: DateTime<Utc>,
    /// When the last of them was parked.
    pub newest: DateTime<Utc>,
}

impl FailedJobs {
    /// The parked jobs by cause, the most frequent first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn causes(&self, filter: &FailedFilter) -> Result<Vec<FailedCause>, StoreError> {
        let first_line = if self.store.backend() == DbBackend::Postgres {
            "split_part(COALESCE(j.error, ''), E'\\n', 1)"
        } else {
            "substr(COALESCE(j.error, ''), 1, instr(COALESCE(j.error, '') || char(10), char(10)) - 1)"
        };
        let mut conditions = Conditions::parked();
        conditions.filter(filter);
        let rows = self
            .read(
                format!(
                    "SELECT COALESCE(j.reason, ''), j.listener, {first_line}, COUNT(*), MIN(j.changed_at), \
                     MAX(j.changed_at) FROM events_jobs AS j WHERE {conditions} \
                     GROUP BY 1, 2, 3 ORDER BY 4 DESC, 6 DESC, 2, 3"
                ),
                conditions.values(),
            )
            .await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}

fn read(row: &QueryResult) -> Result<FailedCause, DbErr> {
    let count: i64 = row.try_get_by_index(3)?;
    Ok(FailedCause {
        reason: row.try_get_by_index(0)?,
        listener: row.try_get_by_index(1)?,
        error: row.try_get_by_index(2)?,
        count: u64::try_from(count).unwrap_or_default(),
        oldest: time(row.try_get_by_index(4)?),
        newest: time(row.try_get_by_index(5)?),
    })
}
