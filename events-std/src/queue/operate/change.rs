//! What is decided about parked jobs: once more, or never again.

use sea_orm::{ConnectionTrait, DbBackend, SqlErr, Statement, Value};

use super::FailedJobs;
use super::filter::{Conditions, FailedFilter};
use super::record::JobId;
use crate::store::StoreError;

/// So many jobs are changed in one transaction, so that others who write wait for a moment only.
const BATCH: usize = 1_000;

/// So often a batch is tried anew if an equal job was pushed while it was written.
const TRIES: usize = 5;

/// A statement that changes the parked jobs of a batch and gives their numbers.
struct Change {
    sql: String,
    values: Vec<Value>,
    /// What follows it in its transaction.
    then: Option<String>,
}

impl FailedJobs {
    /// Gives a parked job all its attempts again, due at once and without a deadline. Whether there was such a job: it
    /// is safe to repeat.
    ///
    /// The reason and the error stay in its row until an attempt ends otherwise. If an equal job (`unique`) waits or
    /// runs meanwhile, both will run. A job whose process died under it runs alone.
    ///
    /// # Errors
    ///
    /// If the database fails, or the task has a transaction open.
    pub async fn retry(&self, id: impl Into<JobId>) -> Result<bool, StoreError> {
        let mut conditions = Conditions::parked();
        conditions.id(id.into());
        let retried = self.apply(&self.retrying(conditions)).await?;
        Ok(!retried.is_empty())
    }

    /// As [`retry`](Self::retry), for all that the filter lets through, a thousand in a transaction. How many they
    /// were. A job that fails again meanwhile is not retried again.
    ///
    /// # Errors
    ///
    /// As [`retry`](Self::retry). What was retried until then stays so.
    pub async fn retry_all(&self, filter: &FailedFilter) -> Result<u64, StoreError> {
        self.in_batches(filter, |conditions| self.retrying(conditions))
            .await
    }

    /// Deletes a parked job. Whether there was such a job: it is safe to repeat.
    ///
    /// # Errors
    ///
    /// If the database fails, or the task has a transaction open.
    pub async fn forget(&self, id: impl Into<JobId>) -> Result<bool, StoreError> {
        let mut conditions = Conditions::parked();
        conditions.id(id.into());
        let forgotten = self.apply(&forgetting(conditions)).await?;
        Ok(!forgotten.is_empty())
    }

    /// As [`forget`](Self::forget), for all that the filter lets through, a thousand in a transaction. How many they
    /// were.
    ///
    /// # Errors
    ///
    /// As [`forget`](Self::forget). What was deleted until then stays so.
    pub async fn flush(&self, filter: &FailedFilter) -> Result<u64, StoreError> {
        self.in_batches(filter, forgetting).await
    }

    /// In the order of the numbers, each job once: jobs that are parked again behind us are left alone.
    async fn in_batches(
        &self,
        filter: &FailedFilter,
        change: impl Fn(Conditions) -> Change,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        let mut behind = 0;
        loop {
            let mut conditions = Conditions::parked();
            conditions.filter(filter);
            conditions.compare("j.id >", behind.into());
            let numbers = self.apply(&change(conditions)).await?;
            changed += u64::try_from(numbers.len()).unwrap_or_default();
            match numbers.iter().max() {
                Some(last) => behind = *last,
                // Another operator may have been faster with the whole batch.
                None if self.any_behind(filter, behind).await? => {}
                None => return Ok(changed),
            }
        }
    }

    /// Whether there is a job with a higher number than `behind`.
    async fn any_behind(&self, filter: &FailedFilter, behind: i64) -> Result<bool, StoreError> {
        let mut conditions = Conditions::parked();
        conditions.filter(filter);
        conditions.compare("j.id >", behind.into());
        let sql = format!("SELECT j.id FROM events_jobs AS j WHERE {conditions} LIMIT 1");
        Ok(!self.read(sql, conditions.values()).await?.is_empty())
    }

    fn retrying(&self, mut conditions: Conditions) -> Change {
        let now = conditions.bind(self.events.now().timestamp_millis().into());
        // Of equal jobs one may keep its key, and none where another waits or runs: the index allows no more.
        let sql = format!(
            "UPDATE events_jobs SET state = 0, attempts = 0, fence = fence + 1, worker = NULL, run_at = {now}, \
             expires_at = NULL, changed_at = {now}, alone = COALESCE(reason = 'crashed', FALSE), \
             unique_key = CASE WHEN chosen.place = 1 AND NOT EXISTS (SELECT 1 FROM events_jobs AS o \
             WHERE o.listener = events_jobs.listener AND o.unique_key = events_jobs.unique_key \
             AND o.unique_key IS NOT NULL AND o.state IN (0, 1)) THEN unique_key END \
             FROM (SELECT batch.number, ROW_NUMBER() OVER (PARTITION BY batch.listener, batch.equal ORDER BY batch.number) \
             AS place FROM (SELECT j.id AS number, j.listener AS listener, j.unique_key AS equal FROM events_jobs AS j \
             WHERE {conditions} ORDER BY j.id LIMIT {BATCH}) AS batch) AS chosen \
             WHERE events_jobs.id = chosen.number AND events_jobs.state = 3 RETURNING id"
        );
        Change {
            sql,
            values: conditions.values(),
            then: wake(self.store.backend()),
        }
    }

    /// Carries a change out in a transaction, whose commit wakes the workers.
    async fn apply(&self, change: &Change) -> Result<Vec<i64>, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.apply_once(change).await {
                Err(StoreError::Database(error))
                    if tries < TRIES
                        && matches!(
                            error.sql_err(),
                            Some(SqlErr::UniqueConstraintViolation(_))
                        ) => {}
                ended => return ended,
            }
        }
    }

    async fn apply_once(&self, change: &Change) -> Result<Vec<i64>, StoreError> {
        let backend = self.store.backend();
        self.store
            .transaction(async |tx| {
                let statement = Statement::from_sql_and_values(
                    backend,
                    change.sql.as_str(),
                    change.values.clone(),
                );
                let rows = tx.query_all_raw(statement).await?;
                if let Some(then) = &change.then {
                    tx.execute_unprepared(then).await?;
                }
                rows.iter()
                    .map(|row| Ok(row.try_get_by_index(0)?))
                    .collect()
            })
            .await
    }
}

/// What wakes the workers of other processes at the commit: on Postgres alone.
#[cfg(feature = "postgres")]
fn wake(backend: DbBackend) -> Option<String> {
    (backend == DbBackend::Postgres).then(|| format!("NOTIFY {}", crate::store::CHANNEL))
}

#[cfg(not(feature = "postgres"))]
fn wake(_: DbBackend) -> Option<String> {
    None
}

fn forgetting(conditions: Conditions) -> Change {
    Change {
        sql: format!(
            "DELETE FROM events_jobs WHERE state = 3 AND id IN (SELECT j.id FROM events_jobs AS j WHERE {conditions} \
             ORDER BY j.id LIMIT {BATCH}) RETURNING id"
        ),
        values: conditions.values(),
        then: None,
    }
}
