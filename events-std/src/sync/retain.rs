//! What is forgotten, and when.

use std::time::Duration;

use super::{SyncRun, SyncRunError};
use crate::integration::{Integrations, IntegrationsBuilder, Retention};
use crate::store;

impl IntegrationsBuilder {
    /// How long closed sync runs are kept with their items, 30 days unless given; for ever with `None`. A run of which
    /// an item has failed, and is neither retried nor skipped, stays.
    pub fn keep_sync_runs_for(self, time: Option<Duration>) -> Self {
        self.part(Retention::<SyncRun>::of(time))
    }
}

impl Integrations {
    /// Forgets closed runs that are older than the retention; how many. Schedulers do it by themselves.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn prune_sync_runs(&self) -> Result<u64, SyncRunError> {
        const SOME: u64 = 10;
        let Some(before) = self.forgets_before::<SyncRun>() else {
            return Ok(0);
        };
        let old = format!(
            "SELECT r.id FROM events_sync_runs AS r WHERE r.state = 2 AND r.closed_at < $1 AND NOT r.reconcile_due \
             AND NOT EXISTS (SELECT 1 FROM events_sync_items AS i WHERE i.run_id = r.id AND i.state = 3) \
             ORDER BY r.id LIMIT {SOME}"
        );
        let mut forgotten = 0;
        for row in self.store().read_rows(old, [store::time(before)]).await? {
            let run_id: i64 = row.try_get_by_index(0)?;
            super::write::delete_items(self, run_id).await?;
            let sql = "DELETE FROM events_sync_runs WHERE id = $1 AND state = 2";
            forgotten += store::execute(self.store().writer(), sql, [run_id.into()]).await?;
        }
        Ok(forgotten)
    }
}
