//! Jobs that are done are forgotten. They are found by a walk through the table, from the oldest rows on: an index of
//! them would have to be written at the end of every job.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::unknown::before;
use crate::store::{self, Store, StoreError};

/// So many rows are looked at, and deleted in one transaction, so that others wait for a moment only.
const SLICE: i64 = 1_000;

/// So many slices with nothing to forget, as of jobs that are parked or wait for long, are passed at once; the next time
/// it goes on behind them.
const BARREN: usize = 200;

/// The walk.
pub(super) struct Done {
    kept_for: Duration,
    /// Behind this row it goes on.
    behind: i64,
}

/// A slice of rows.
struct Slice {
    last: i64,
    /// When the first of its jobs was dispatched.
    oldest: i64,
    /// How many of them are to be forgotten.
    ripe: i64,
}

impl Done {
    /// The walk from the beginning.
    pub(super) fn new(kept_for: Duration) -> Self {
        Self {
            kept_for,
            behind: 0,
        }
    }

    /// Forgets the next jobs that are done since longer than they are kept. Whether there may be more.
    pub(super) async fn forget(
        &mut self,
        store: &Store,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let before = before(now, self.kept_for);
        for _ in 0..BARREN {
            let slice = slice(store, self.behind, before).await?;
            // What was dispatched later than that is done later, and so is what comes behind it.
            let Some(slice) = slice.filter(|slice| slice.oldest < before) else {
                self.behind = 0;
                return Ok(false);
            };
            if slice.ripe > 0 {
                delete(store, self.behind, slice.last, before).await?;
                self.behind = slice.last;
                return Ok(true);
            }
            self.behind = slice.last;
        }
        Ok(false)
    }
}

async fn slice(store: &Store, behind: i64, before: i64) -> Result<Option<Slice>, StoreError> {
    let sql = format!(
        "SELECT MAX(s.id), MIN(s.dispatched_at), COUNT(CASE WHEN s.state = 2 AND s.changed_at < $2 THEN 1 END) \
         FROM (SELECT id, state, dispatched_at, changed_at FROM events_jobs WHERE id > $1 ORDER BY id LIMIT {SLICE}) AS s"
    );
    let rows = store::rows(store.reader(), sql, [behind.into(), before.into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (last, oldest): (Option<i64>, Option<i64>) =
        (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let ripe = row.try_get_by_index(2)?;
    Ok(last
        .zip(oldest)
        .map(|(last, oldest)| Slice { last, oldest, ripe }))
}

async fn delete(store: &Store, behind: i64, last: i64, before: i64) -> Result<(), StoreError> {
    // What another worker deletes at this moment is its business.
    let skip = if store.backend() == DbBackend::Postgres {
        "FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let sql = format!(
        "DELETE FROM events_jobs WHERE id IN (SELECT id FROM events_jobs \
         WHERE id > $1 AND id <= $2 AND state = 2 AND changed_at < $3 {skip})"
    );
    let values = [behind.into(), last.into(), before.into()];
    let statement = Statement::from_sql_and_values(store.backend(), sql, values);
    store.writer().execute_raw(statement).await?;
    Ok(())
}
