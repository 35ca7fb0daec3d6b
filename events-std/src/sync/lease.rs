//! The hold on a run that is being enumerated. Every write by its holder matches the fence, which only grows, so that a
//! holder that was taken for dead can write nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use super::SyncRunError;
use crate::integration::Integrations;
use crate::store::{self, StoreError};

/// How long a hold lasts without a sign of life of its holder.
pub(super) const LEASE: Duration = Duration::from_mins(1);

/// A hold on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) run_id: i64,
    pub(super) fence: i64,
}

impl Lease {
    /// Shows life. Whether the hold still stands.
    pub(super) async fn renew(
        self,
        connection: &impl ConnectionTrait,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        self.count(connection, 0, 0, now).await
    }

    /// Counts items, and shows life. Whether the hold still stands.
    pub(super) async fn count(
        self,
        connection: &impl ConnectionTrait,
        stored: u64,
        duplicates: u64,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let until = store::time_of_leases(connection, now).await? + LEASE;
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let sql = "UPDATE events_sync_runs SET enumerated = enumerated + $3, duplicates = duplicates + $4, \
                   lease_until = $5, updated_at = $6 WHERE id = $1 AND lease_fence = $2 AND state = 0";
        let values = [
            self.run_id.into(),
            self.fence.into(),
            number(stored).into(),
            number(duplicates).into(),
            store::time(until),
            store::time(now),
        ];
        Ok(store::execute(connection, sql, values).await? == 1)
    }
}

/// Who holds the leases of this process, for people to read.
pub(super) fn holder() -> String {
    format!("{}/{}", crate::queue::host(), std::process::id())
}

/// A run that was taken over.
pub(super) struct Lapsed {
    pub(super) integration_id: i64,
    pub(super) lease: Lease,
}

/// Takes the runs over whose holder gave no sign of life for too long: each by one process only.
pub(super) async fn take_lapsed(integrations: &Integrations) -> Result<Vec<Lapsed>, SyncRunError> {
    const LAPSED: &str = "state <> 2 AND state = 0 AND lease_until < $1";
    let (store, now) = (integrations.store(), integrations.events().now());
    let time = store::time_of_leases(store.reader(), now).await?;
    let any = format!("SELECT 1 FROM events_sync_runs WHERE {LAPSED} LIMIT 1");
    if store.read_row(any, [store::time(time)]).await?.is_none() {
        return Ok(Vec::new());
    }
    let skip = store::skip_locked(store.writer());
    let take = format!(
        "UPDATE events_sync_runs SET lease_fence = lease_fence + 1, lease_holder = $2, lease_until = $3, updated_at = $4 \
         WHERE id IN (SELECT id FROM events_sync_runs WHERE {LAPSED}{skip}) AND state = 0 AND lease_until < $1 \
         RETURNING id, integration_id, lease_fence"
    );
    let values = [
        store::time(time),
        holder().into(),
        store::time(time + LEASE),
        store::time(now),
    ];
    let mut taken = Vec::new();
    for row in store::rows(store.writer(), take, values).await? {
        taken.push(Lapsed {
            integration_id: row.try_get_by_index(1)?,
            lease: Lease {
                run_id: row.try_get_by_index(0)?,
                fence: row.try_get_by_index(2)?,
            },
        });
    }
    Ok(taken)
}
