//! What is forgotten, and when.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::Model;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::{IntegrationSyncItem, SyncRun, SyncRunError};
use crate::integration::{Chore, Integrations, IntegrationsBuilder, Retention};
use crate::queue::Aging;
use crate::store;

/// So many runs are looked at at once.
const PAGE: usize = 100;

/// How long runs are forgotten in one go; the rest the next time.
const LONGEST: Duration = Duration::from_secs(30);

/// The items, as jobs point at them.
const ITEMS: Aging = Aging {
    table: "events_sync_items",
    model: IntegrationSyncItem::NAME,
    unless: "TRUE",
};

impl IntegrationsBuilder {
    /// How long closed sync runs are kept with their items, 30 days unless given; for ever with `None`. A run of which
    /// an item has failed, and is neither retried nor skipped, stays; and so does one at whose item an unfinished job
    /// points.
    pub fn keep_sync_runs_for(self, time: Option<Duration>) -> Self {
        self.part(Retention::<SyncRun>::of(time))
    }
}

// Runs keep their entries of the log, and their items the requests: they come first.
inventory::submit! {
    Chore {
        order: 0,
        forget: |engine, now| Box::pin(async move { Ok(engine.forget_runs(now).await?) }),
    }
}

impl Integrations {
    /// Forgets closed runs that are older than the retention; how many. Schedulers, requests and the routes of webhooks
    /// do it by themselves, once a minute at most. It may leave some for the next time, if it takes longer than 30 s.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn prune_sync_runs(&self) -> Result<u64, SyncRunError> {
        self.forget_runs(self.events().now()).await
    }

    async fn forget_runs(&self, now: DateTime<Utc>) -> Result<u64, SyncRunError> {
        let Some(before) = self.forgets_before::<SyncRun>(now) else {
            return Ok(0);
        };
        let old = format!(
            "SELECT r.closed_at, r.id FROM events_sync_runs AS r \
             WHERE r.state = 2 AND r.closed_at < $1 AND NOT r.reconcile_due \
             AND (r.closed_at > $2 OR (r.closed_at = $2 AND r.id > $3)) \
             AND NOT EXISTS (SELECT 1 FROM events_sync_items AS i WHERE i.run_id = r.id AND i.state = 3) \
             ORDER BY r.closed_at, r.id LIMIT {PAGE}"
        );
        let (begun, mut last, mut spared, mut forgotten) =
            (Instant::now(), (i64::MIN, 0_i64), None, 0);
        while begun.elapsed() < LONGEST {
            let values = [store::time(before), last.0.into(), last.1.into()];
            let rows = self.store().read_rows(&old, values).await?;
            if rows.is_empty() {
                break;
            }
            let kept = match spared.take() {
                Some(kept) => kept,
                None => self.pointed_at().await?,
            };
            for row in &rows {
                last = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
                if !kept.contains(&last.1) {
                    forgotten += self.forget_run(last.1).await?;
                }
            }
            spared = Some(kept);
            if rows.len() < PAGE {
                break;
            }
        }
        Ok(forgotten)
    }

    async fn forget_run(&self, run_id: i64) -> Result<u64, SyncRunError> {
        super::write::delete_items(self, run_id).await?;
        let sql = "DELETE FROM events_sync_runs WHERE id = $1 AND state = 2";
        Ok(store::execute(self.store().writer(), sql, [run_id.into()]).await?)
    }

    /// The runs at whose items unfinished jobs point.
    async fn pointed_at(&self) -> Result<HashSet<i64>, SyncRunError> {
        let items = ITEMS.pointed_at(self.store(), &self.events()).await?;
        let items: Vec<i64> = items.into_iter().collect();
        let listed = store::listed(self.store().writer());
        let sql = format!("SELECT DISTINCT run_id FROM events_sync_items WHERE id IN ({listed})");
        let list = Json::from(items).to_string();
        let rows = self.store().read_rows(sql, [list.into()]).await?;
        let runs = rows.iter().map(|row| row.try_get_by_index(0));
        Ok(runs.collect::<Result<_, _>>()?)
    }
}
