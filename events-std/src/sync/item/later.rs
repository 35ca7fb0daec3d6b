//! The items of later runs with the same work: an item that is retried late may put old data over theirs.

use sea_orm::Value;

use crate::store::{self, Store, StoreError, Tx};
use crate::sync::IntegrationSyncItem;

/// The work of an item, as later runs have it again.
pub(super) struct Later([Value; 4]);

impl Later {
    /// None: what has no id of the provider is known in no other run.
    pub(super) fn than(
        integration_id: i64,
        run_id: i64,
        event_name: &str,
        external_id: Option<&str>,
    ) -> Option<Self> {
        Some(Self([
            integration_id.into(),
            run_id.into(),
            event_name.into(),
            external_id?.into(),
        ]))
    }

    /// The last one that has done the work.
    pub(super) async fn done(self, store: &Store) -> Result<Option<i64>, StoreError> {
        let row = store.read_row(statement("i.state = 2"), self.0).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
    }

    /// Whether one has not ended yet.
    pub(super) async fn waits(self, store: &Store) -> Result<bool, StoreError> {
        let row = store
            .read_row(statement("i.state IN (0, 1)"), self.0)
            .await?;
        Ok(row.is_some())
    }
}

fn statement(state: &str) -> String {
    format!(
        "SELECT i.id FROM events_sync_runs AS r JOIN events_sync_items AS i ON i.run_id = r.id \
         AND i.event_name = $3 AND i.external_id = $4 WHERE r.integration_id = $1 AND r.id > $2 AND {state} \
         ORDER BY i.id DESC LIMIT 1"
    )
}

/// The item of a later run that has done this one's work, if there is one.
pub(in crate::sync) async fn superseding(
    tx: &Tx,
    item: &IntegrationSyncItem,
) -> Result<Option<i64>, StoreError> {
    let external_id = item.external_id.as_deref();
    let Some(later) = Later::than(
        item.integration_id,
        item.run_id,
        &item.event_name,
        external_id,
    ) else {
        return Ok(None);
    };
    let row = store::row(tx, statement("i.state = 2"), later.0).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
}

/// Marks an item that has just failed as skipped, if a later run has done its work meanwhile. Whether one has.
pub(in crate::sync) async fn supersede_failed(
    tx: &Tx,
    item: &IntegrationSyncItem,
) -> Result<bool, StoreError> {
    let Some(later) = superseding(tx, item).await? else {
        return Ok(false);
    };
    let sql = "UPDATE events_sync_items SET state = 4, superseded_by = $2 WHERE id = $1";
    store::execute(tx, sql, [item.id.into(), later.into()]).await?;
    Ok(true)
}
