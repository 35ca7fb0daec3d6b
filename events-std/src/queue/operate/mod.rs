//! What a person or a monitor does with the queue: looks at it, and decides about jobs that have failed for good.
//!
//! Nothing here touches a job that runs, and everything here is safe to repeat.

mod cause;
mod change;
mod filter;
mod record;
mod stats;
mod unclaimed;

use chrono::{DateTime, Utc};
use events_core::Events;
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use crate::store::{Store, StoreError};

pub use cause::FailedCause;
pub use filter::FailedFilter;
pub use record::{FailedDetails, FailedJob, FailedPage, JobId, NotAJobId};
pub use stats::{LiveWorker, QueueDepth, QueueStats};
pub use unclaimed::{Lack, UnclaimedJobs};

use filter::Conditions;

/// The jobs that have failed for good, and are parked until somebody decides: see [`Store::failed`].
#[derive(Clone, Debug)]
pub struct FailedJobs {
    store: Store,
    events: Events,
}

impl Store {
    /// The parked jobs. The time is told by the dispatcher's clock.
    ///
    /// ```no_run
    /// # async fn run(store: events_std::Store, events: events_core::Events) -> Result<(), events_std::StoreError> {
    /// use events_std::FailedFilter;
    ///
    /// let failed = store.failed(&events);
    /// for cause in failed.causes(&FailedFilter::new()).await? {
    ///     println!("{} times {}: {}", cause.count, cause.listener, cause.error);
    /// }
    /// let retried = failed.retry_all(&FailedFilter::new().queue("alerts")).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn failed(&self, events: &Events) -> FailedJobs {
        FailedJobs {
            store: self.with_events(events),
            events: events.clone(),
        }
    }
}

impl FailedJobs {
    /// How many parked jobs the filter lets through.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn count(&self, filter: &FailedFilter) -> Result<u64, StoreError> {
        let mut conditions = Conditions::parked();
        conditions.filter(filter);
        let rows = self
            .read(
                format!("SELECT COUNT(*) FROM events_jobs AS j WHERE {conditions}"),
                conditions.values(),
            )
            .await?;
        match rows.first() {
            Some(row) => number(row, 0),
            None => Ok(0),
        }
    }

    /// A page of at most `limit` parked jobs, the latest dispatched first; `before` is the [`FailedPage::next`] of the
    /// page before.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(
        &self,
        filter: &FailedFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<FailedPage, StoreError> {
        let mut conditions = Conditions::parked();
        conditions.filter(filter);
        if let Some(before) = before {
            conditions.compare("j.id <", before.into());
        }
        let rows = self
            .read(
                format!(
                    "SELECT {} FROM events_jobs AS j WHERE {conditions} ORDER BY j.id DESC LIMIT {}",
                    record::COLUMNS,
                    u64::from(limit) + 1
                ),
                conditions.values(),
            )
            .await?;
        let mut jobs = rows
            .iter()
            .map(record::read)
            .collect::<Result<Vec<_>, _>>()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let next = jobs.last().filter(|_| more).map(|job| job.number);
        Ok(FailedPage { jobs, next })
    }

    /// Everything that is known of a parked job; none if there is no such job, or it is not parked.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn show(&self, id: impl Into<JobId>) -> Result<Option<FailedDetails>, StoreError> {
        let mut conditions = Conditions::parked();
        conditions.id(id.into());
        let rows = self
            .read(
                format!(
                    "SELECT {}, {} FROM events_jobs AS j WHERE {conditions}",
                    record::COLUMNS,
                    record::DETAILS
                ),
                conditions.values(),
            )
            .await?;
        Ok(rows.first().map(record::read_details).transpose()?)
    }

    async fn read(&self, sql: String, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
        let statement = Statement::from_sql_and_values(self.store.backend(), sql, values);
        Ok(self.store.reader().query_all_raw(statement).await?)
    }
}

/// A number that is never negative.
fn number(row: &QueryResult, column: usize) -> Result<u64, StoreError> {
    let number: i64 = row.try_get_by_index(column)?;
    Ok(u64::try_from(number).unwrap_or_default())
}

fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}
