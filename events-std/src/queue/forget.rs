//! Rows that are old enough to be forgotten, and those of them that unfinished jobs still point at.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use events_core::Events;
use sea_orm::Value;
use serde_json::Value as Json;

use crate::store::{self, Store, StoreError};

/// So many rows are looked at, and deleted, in one transaction, so that others wait for a moment only.
const BATCH: i64 = 1_000;

/// So many batches are forgotten at once; the rest the next time. Batches of which nothing may go do not count: else
/// they would stand in the way of all that is younger.
const BATCHES: usize = 20;

/// So many payloads are read at once.
const PAYLOADS: i64 = 5_000;

/// Rows that grow old, in a table with an `id` and the time `created_at`.
pub(crate) struct Aging {
    pub(crate) table: &'static str,
    /// The name under which events carry them by key.
    pub(crate) model: &'static str,
    /// A condition on the row `o`: which of them may go.
    pub(crate) unless: &'static str,
}

impl Aging {
    /// Forgets rows from before this time, unless an event of an unfinished job points at them; how many. It may leave
    /// some for the next time.
    pub(crate) async fn forget(
        &self,
        store: &Store,
        events: &Events,
        before: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let Self { table, unless, .. } = self;
        let sql = format!(
            "SELECT o.created_at, o.id FROM {table} AS o WHERE o.created_at < $1 AND {unless} \
             AND (o.created_at > $2 OR (o.created_at = $2 AND o.id > $3)) ORDER BY o.created_at, o.id LIMIT {BATCH}"
        );
        let (mut last, mut pointed_at, mut forgotten) = ((i64::MIN, 0), None, 0);
        let mut batches = 0;
        while batches < BATCHES {
            let values = [store::time(before), last.0.into(), last.1.into()];
            let rows = store.read_rows(sql.clone(), values).await?;
            let mut old = Vec::new();
            for row in &rows {
                last = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
                old.push(last.1);
            }
            if old.is_empty() {
                break;
            }
            let spared = match pointed_at.take() {
                Some(spared) => spared,
                None => self.pointed_at(store, events).await?,
            };
            old.retain(|id| !spared.contains(id));
            pointed_at = Some(spared);
            let gone = self.delete(store, &old).await?;
            forgotten += gone;
            batches += usize::from(gone > 0);
            if i64::try_from(rows.len()).unwrap_or(BATCH) < BATCH {
                break;
            }
        }
        Ok(forgotten)
    }

    async fn delete(&self, store: &Store, ids: &[i64]) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let listed = store::listed(store.writer());
        let sql = format!("DELETE FROM {} WHERE id IN ({listed})", self.table);
        let list = Json::from(ids).to_string();
        store::execute(store.writer(), sql, [list.into()]).await
    }

    /// The rows at which events point whose listeners have not all run: those of jobs, and of sync items, which are
    /// jobs of their own.
    pub(crate) async fn pointed_at(
        &self,
        store: &Store,
        events: &Events,
    ) -> Result<HashSet<i64>, StoreError> {
        let mut found = HashSet::new();
        let jobs = "events_jobs WHERE state <> 2";
        self.gather(store, jobs, &[], &mut found).await?;
        // There may be millions of items, and hardly ever does one point at such a row.
        let catalog = events.catalog();
        let carries = |models: &[String]| models.iter().any(|model| model == self.model);
        let carrying = catalog.events.iter().filter(|event| carries(&event.models));
        for name in carrying.filter_map(|event| event.name.as_deref()) {
            let items = "events_sync_items WHERE state IN (0, 1, 3) AND event_name = $3";
            self.gather(store, items, &[name.into()], &mut found)
                .await?;
        }
        Ok(found)
    }

    async fn gather(
        &self,
        store: &Store,
        from: &str,
        values: &[Value],
        found: &mut HashSet<i64>,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT id, payload FROM {from} AND id > $1 AND payload LIKE $2 ORDER BY id LIMIT {PAYLOADS}"
        );
        let mut last = 0_i64;
        loop {
            let model = format!("%\"{}\"%", self.model);
            let bound = [last.into(), model.into()].into_iter();
            let rows = store
                .read_rows(sql.clone(), bound.chain(values.iter().cloned()))
                .await?;
            for row in &rows {
                last = row.try_get_by_index(0)?;
                let payload: String = row.try_get_by_index(1)?;
                if let Ok(payload) = serde_json::from_str(&payload) {
                    keys(&payload, self.model, found);
                }
            }
            if i64::try_from(rows.len()).unwrap_or(PAYLOADS) < PAYLOADS {
                return Ok(());
            }
        }
    }
}

/// The keys of a model that stand in a wire form.
fn keys(payload: &Json, model: &str, found: &mut HashSet<i64>) {
    match payload {
        Json::Object(fields) => {
            let names = fields.get("model").and_then(Json::as_str) == Some(model);
            match fields.get("key").and_then(Json::as_i64) {
                Some(key) if names => drop(found.insert(key)),
                _ => fields.values().for_each(|value| keys(value, model, found)),
            }
        }
        Json::Array(values) => values.iter().for_each(|value| keys(value, model, found)),
        _ => {}
    }
}
