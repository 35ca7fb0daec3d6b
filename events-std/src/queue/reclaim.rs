//! What is done for a worker that died: its jobs are claimed again.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};

use super::claim::{self, Claimed};
use super::presence::{Life, life_of};
use crate::store::{Store, StoreError};

/// Another worker, as its row tells.
struct Other {
    id: i64,
    boot: String,
    lock: Option<(PathBuf, (i64, i64))>,
    heartbeat_at: i64,
}

impl Other {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let path: Option<String> = row.try_get_by_index(2)?;
        let device: Option<i64> = row.try_get_by_index(3)?;
        let inode: Option<i64> = row.try_get_by_index(4)?;
        Ok(Self {
            id: row.try_get_by_index(0)?,
            boot: row.try_get_by_index(1)?,
            lock: match (path, device, inode) {
                (Some(path), Some(device), Some(inode)) => Some((path.into(), (device, inode))),
                _ => None,
            },
            heartbeat_at: row.try_get_by_index(5)?,
        })
    }

    fn is_dead(&self, now: DateTime<Utc>, lapse: Duration) -> bool {
        let by_lock = self.lock.as_ref().map_or(Life::Unknown, |(path, place)| {
            life_of(&self.boot, path, *place)
        });
        match by_lock {
            Life::Dead => true,
            Life::Lives => false,
            Life::Unknown => {
                let lapse = i64::try_from(lapse.as_millis()).unwrap_or(i64::MAX);
                now.timestamp_millis().saturating_sub(self.heartbeat_at) > lapse
            }
        }
    }
}

/// Takes over from dead workers. A job that ran alone when its worker died is held by `me` from now on, and given
/// back here: its attempt is spent. Jobs that ran beside others get theirs back, and run alone the next time.
pub(super) async fn reclaim(
    store: &Store,
    me: i64,
    now: DateTime<Utc>,
    lapse: Duration,
) -> Result<Vec<Claimed>, StoreError> {
    let backend = store.backend();
    let others = store
        .reader()
        .query_all_raw(Statement::from_sql_and_values(
            backend,
            "SELECT id, boot, lock_path, lock_device, lock_inode, heartbeat_at FROM events_workers WHERE id <> $1",
            [me.into()],
        ))
        .await?;
    let mut crashed = Vec::new();
    for row in &others {
        let other = Other::read(row)?;
        if other.is_dead(now, lapse) {
            crashed.extend(take_over(store, me, &other, now).await?);
        }
    }
    Ok(crashed)
}

async fn take_over(
    store: &Store,
    me: i64,
    dead: &Other,
    now: DateTime<Utc>,
) -> Result<Vec<Claimed>, StoreError> {
    let backend = store.backend();
    let transaction = store.begin().await?;
    // Whoever deletes the row takes over; a worker that showed life meanwhile keeps it.
    let deleted = transaction
        .execute_raw(Statement::from_sql_and_values(
            backend,
            "DELETE FROM events_workers WHERE id = $1 AND heartbeat_at = $2",
            [dead.id.into(), dead.heartbeat_at.into()],
        ))
        .await?;
    if deleted.rows_affected() == 0 {
        transaction.rollback().await?;
        return Ok(Vec::new());
    }
    let running = transaction
        .query_all_raw(Statement::from_sql_and_values(
            backend,
            "SELECT id FROM events_jobs WHERE state = 1 AND worker = $1",
            [dead.id.into()],
        ))
        .await?
        .len();
    let crashed = if running == 1 {
        let statement = format!(
            "UPDATE events_jobs SET worker = $2, fence = fence + 1, changed_at = $3 WHERE state = 1 AND worker = $1 \
             RETURNING {}",
            claim::READ
        );
        let rows = transaction
            .query_all_raw(Statement::from_sql_and_values(
                backend,
                statement,
                [dead.id.into(), me.into(), now.timestamp_millis().into()],
            ))
            .await?;
        rows.iter()
            .map(claim::read)
            .collect::<Result<Vec<_>, _>>()?
    } else {
        transaction
            .execute_raw(Statement::from_sql_and_values(
                backend,
                "UPDATE events_jobs SET state = 0, worker = NULL, alone = TRUE, attempts = attempts - 1, \
                 changed_at = $2 WHERE state = 1 AND worker = $1",
                [dead.id.into(), now.timestamp_millis().into()],
            ))
            .await?;
        Vec::new()
    };
    transaction.commit().await?;
    if let Some((path, _)) = &dead.lock {
        let _ = std::fs::remove_file(path);
    }
    Ok(crashed)
}
