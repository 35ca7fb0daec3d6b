//! What an operator does with items: look at those that failed, try them again, skip them, and end those that hang.
//! All of it is safe to repeat.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use events_core::State;
use events_core::model;

use super::decide::DEFERRED_FOR;
use super::item;
use super::rows::{self, ITEM};
use super::{IntegrationSyncItem, ItemStatus, SyncItemError, SyncItemErrorKind, SyncRunError};
use crate::integration::{Integrations, Within};
use crate::store;

/// Which items an operator wants to see.
///
/// ```
/// use events_std::{ItemFilter, ItemStatus};
///
/// let filter = ItemFilter::new().integration(7).status(ItemStatus::Failed).limit(20);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct ItemFilter {
    integration: Option<i64>,
    run: Option<i64>,
    status: Option<ItemStatus>,
    after: Option<i64>,
    limit: Option<u32>,
}

impl ItemFilter {
    /// All of them, 100 at most.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of an integration.
    pub fn integration(mut self, id: i64) -> Self {
        self.integration = Some(id);
        self
    }

    /// Only those of a run.
    pub fn run(mut self, id: i64) -> Self {
        self.run = Some(id);
        self
    }

    /// Only those that stand so.
    pub fn status(mut self, status: ItemStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Only those found after this one: the last of the page before.
    pub fn after(mut self, item: i64) -> Self {
        self.after = Some(item);
        self
    }

    /// So many at most, 100 unless given.
    pub fn limit(mut self, items: u32) -> Self {
        self.limit = Some(items);
        self
    }
}

impl Integrations {
    /// Items, in the order in which they were found.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn sync_items(
        &self,
        filter: &ItemFilter,
    ) -> Result<Vec<IntegrationSyncItem>, SyncRunError> {
        let mut wanted = vec!["id > $1".to_owned()];
        let mut values = vec![filter.after.unwrap_or_default().into()];
        for (column, value) in [
            ("integration_id", filter.integration),
            ("run_id", filter.run),
        ] {
            if let Some(value) = value {
                values.push(value.into());
                wanted.push(format!("{column} = ${}", values.len()));
            }
        }
        if let Some(status) = filter.status {
            // As a literal, so that the index of that state serves.
            wanted.push(format!("state = {}", status.stored()));
        }
        let (wanted, limit) = (wanted.join(" AND "), filter.limit.unwrap_or(100));
        let sql = format!(
            "SELECT {ITEM} FROM events_sync_items WHERE {wanted} ORDER BY id LIMIT {limit}"
        );
        let rows = self.store().read_rows(sql, values).await?;
        Ok(rows.iter().map(rows::read_item).collect::<Result<_, _>>()?)
    }

    /// An item, by its id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn sync_item(&self, id: i64) -> Result<Option<IntegrationSyncItem>, SyncRunError> {
        let sql = format!("SELECT {ITEM} FROM events_sync_items WHERE id = $1");
        let row = self.store().read_row(sql, [id.into()]).await?;
        Ok(row.as_ref().map(rows::read_item).transpose()?)
    }

    /// Lets a failed item be tried again, with all its attempts. One whose work a later run has done is skipped
    /// instead, so that old data does not replace new. One that waits already, or runs, is left alone.
    ///
    /// A closed run stays closed. When its last failed item has ended well, or is skipped, the cursor moves.
    ///
    /// # Errors
    ///
    /// If there is no such item, it ended well or was skipped, or the database fails.
    pub async fn retry_item(&self, id: i64) -> Result<IntegrationSyncItem, SyncRunError> {
        let item = self
            .transaction(async |tx| self.within(tx).retry_item(id).await)
            .await?;
        self.store().pushed().notify_waiters();
        self.reconcile().await?;
        Ok(item)
    }

    /// Gives a failed item up: its checkpoint counts as if it had ended well. One that is skipped already stays so.
    ///
    /// # Errors
    ///
    /// If there is no such item, it did not fail, or the database fails.
    pub async fn skip_item(&self, id: i64) -> Result<IntegrationSyncItem, SyncRunError> {
        let item = self
            .transaction(async |tx| self.within(tx).skip_item(id).await)
            .await?;
        self.reconcile().await?;
        Ok(item)
    }

    /// The items that have been processing for longer than `threshold`: what [`reclaim_items`](Self::reclaim_items)
    /// would end.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn reclaimable_items(
        &self,
        threshold: Duration,
    ) -> Result<Vec<IntegrationSyncItem>, SyncRunError> {
        let before = before(self.events().now(), threshold);
        let sql = format!(
            "SELECT {ITEM} FROM events_sync_items WHERE state = 1 AND changed_at <= $1 ORDER BY id"
        );
        let rows = self.store().read_rows(sql, [store::time(before)]).await?;
        Ok(rows.iter().map(rows::read_item).collect::<Result<_, _>>()?)
    }

    /// Ends items that have been processing for longer than `threshold` as failed, and reconciles their runs. A worker
    /// that still holds one writes nothing any more.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn reclaim_items(
        &self,
        threshold: Duration,
    ) -> Result<Vec<IntegrationSyncItem>, SyncRunError> {
        let mut reclaimed = Vec::new();
        for item in self.reclaimable_items(threshold).await? {
            let ended = self
                .transaction(async |tx| self.within(tx).reclaim_item(item.id, threshold).await)
                .await?;
            reclaimed.extend(ended);
        }
        self.reconcile().await?;
        Ok(reclaimed)
    }
}

fn before(now: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(span)
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

impl Within<'_> {
    async fn locked_item(&self, id: i64) -> Result<IntegrationSyncItem, SyncRunError> {
        let lock = store::for_update(self.tx());
        let sql = format!("SELECT {ITEM} FROM events_sync_items WHERE id = $1{lock}");
        let row = store::row(self.tx(), sql, [id.into()]).await?;
        Ok(rows::read_item(&row.ok_or(SyncRunError::NoItem(id))?)?)
    }

    async fn changed(
        &self,
        id: i64,
        set: &str,
        values: impl IntoIterator<Item = sea_orm::Value>,
    ) -> Result<IntegrationSyncItem, SyncRunError> {
        let mut all = vec![id.into(), store::time(self.now())];
        all.extend(values);
        let sql = format!(
            "UPDATE events_sync_items SET {set}, changed_at = $2 WHERE id = $1 RETURNING {ITEM}"
        );
        let row = store::row(self.tx(), sql, all).await?;
        Ok(rows::read_item(&row.ok_or(SyncRunError::NoItem(id))?)?)
    }

    /// Makes the reconciling of a run due; `ended` more of its items have ended than before, or fewer.
    async fn touch_run(&self, run_id: i64, ended: i64) -> Result<(), SyncRunError> {
        let sql = "UPDATE events_sync_runs SET reconcile_due = TRUE, finished = finished + $2, updated_at = $3 \
                   WHERE id = $1";
        let values = [run_id.into(), ended.into(), store::time(self.now())];
        store::execute(self.tx(), sql, values).await?;
        Ok(())
    }

    /// As [`Integrations::retry_item`], but that its run is reconciled a moment later.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn retry_item(&self, id: i64) -> Result<IntegrationSyncItem, SyncRunError> {
        let item = self.locked_item(id).await?;
        match item.status {
            ItemStatus::Failed => {}
            ItemStatus::Pending | ItemStatus::Processing => return Ok(item),
            status => return Err(SyncRunError::NotFailed { item: id, status }),
        }
        if let Some(later) = item::superseding(self.tx(), &item).await? {
            let set = "state = 4, superseded_by = $3, completed_at = $2";
            let item = self.changed(id, set, [later.into()]).await?;
            self.touch_run(item.run_id, 0).await?;
            return Ok(item);
        }
        let now = self.now();
        let set = "state = 0, attempts = 0, run_at = $2, expires_at = $3, error_kind = NULL, completed_at = NULL, \
                   alone = FALSE";
        let item = self
            .changed(id, set, [store::time(now + DEFERRED_FOR)])
            .await?;
        self.touch_run(item.run_id, -1).await?;
        store::tell_workers(self.tx()).await?;
        Ok(item)
    }

    /// As [`Integrations::skip_item`], but that its run is reconciled a moment later.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn skip_item(&self, id: i64) -> Result<IntegrationSyncItem, SyncRunError> {
        let item = self.locked_item(id).await?;
        match item.status {
            ItemStatus::Failed => {}
            ItemStatus::Skipped => return Ok(item),
            status => return Err(SyncRunError::NotFailed { item: id, status }),
        }
        let item = self.changed(id, "state = 4, completed_at = $2", []).await?;
        self.touch_run(item.run_id, 0).await?;
        Ok(item)
    }

    /// As [`Integrations::reclaim_items`], but that their runs are reconciled a moment later.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn reclaim_items(
        &self,
        threshold: Duration,
    ) -> Result<Vec<IntegrationSyncItem>, SyncRunError> {
        let before = before(self.now(), threshold);
        let sql =
            "SELECT id FROM events_sync_items WHERE state = 1 AND changed_at <= $1 ORDER BY id";
        let mut reclaimed = Vec::new();
        for row in store::rows(self.tx(), sql, [store::time(before)]).await? {
            let ended = self.reclaim_item(row.try_get_by_index(0)?, threshold);
            reclaimed.extend(ended.await?);
        }
        Ok(reclaimed)
    }

    async fn reclaim_item(
        &self,
        id: i64,
        threshold: Duration,
    ) -> Result<Option<IntegrationSyncItem>, SyncRunError> {
        let now = self.now();
        let error = SyncItemError {
            kind: SyncItemErrorKind::Reclaimed,
            message: format!("it was processing for longer than {threshold:?}"),
        };
        let sql = format!(
            "UPDATE events_sync_items SET state = 3, fence = fence + 1, worker = NULL, alone = FALSE, error_kind = $3, \
             error = $4, completed_at = $2, changed_at = $2 WHERE id = $1 AND state = 1 AND changed_at <= $5 \
             RETURNING {ITEM}"
        );
        let values = [
            id.into(),
            store::time(now),
            error.kind.to_string().into(),
            error.message.as_str().into(),
            store::time(before(now, threshold)),
        ];
        let Some(row) = store::row(self.tx(), sql, values).await? else {
            return Ok(None);
        };
        let mut item = rows::read_item(&row)?;
        if item::supersede_failed(self.tx(), &item).await? {
            item = self.locked_item(id).await?;
        } else {
            item::tell_failed(self, item.clone(), error).await?;
        }
        item::make_due(self.tx(), &BTreeMap::from([(item.run_id, 1)]), now).await?;
        Ok(Some(item))
    }
}

#[model]
async fn load_item(
    id: i64,
    integrations: &State<Integrations>,
) -> Result<Option<IntegrationSyncItem>, SyncRunError> {
    integrations.sync_item(id).await
}
