//! How a chunk is stored on Postgres: by one statement, which is a transaction by itself. It takes each column as one
//! array, in binary: of a text, Postgres would have to look at each letter.

use std::sync::LazyLock;

use chrono::TimeDelta;
use sea_orm::{DbErr, RuntimeErr, sqlx};
use uuid::Uuid;

use super::RunItems;
use crate::store::{StoreError, TIME_OF_LEASES};
use crate::sync::decide::DEFERRED_FOR;
use crate::sync::lease::LEASE;
use crate::sync::session::NewItem;

/// Nothing is stored unless the hold on the run stands, and the run is locked meanwhile: whoever takes it over, or deletes
/// it, waits. A repeat within the run is left out: the first stays. The ids follow the place.
static STORE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH run AS (SELECT 1 FROM events_sync_runs WHERE id = $1 AND lease_fence = $2 AND state = 0 \
         FOR NO KEY UPDATE), \
         stored AS (INSERT INTO events_sync_items (integration_id, run_id, run_at, expires_at, created_at, changed_at, \
         trace, event_name, version, payload, external_id, checkpoint_value, delivery_id) \
         SELECT $3, $1, $4, $5, $4, $4, $6, name, version, payload, external_id, checkpoint, delivery \
         FROM unnest($7::text[], $8::int[], $9::text[], $10::text[], $11::text[], $12::uuid[]) WITH ORDINALITY \
         AS item (name, version, payload, external_id, checkpoint, delivery, place) \
         WHERE EXISTS (SELECT 1 FROM run) ORDER BY place \
         ON CONFLICT (run_id, event_name, external_id) DO NOTHING RETURNING 1) \
         UPDATE events_sync_runs SET enumerated = enumerated + (SELECT COUNT(*) FROM stored), \
         duplicates = duplicates + $13 - (SELECT COUNT(*) FROM stored), lease_until = {TIME_OF_LEASES} + $14, \
         updated_at = $4 WHERE id = $1 AND lease_fence = $2 AND state = 0"
    )
});

/// Whether the run was still this process's own.
pub(super) async fn store(
    run: &RunItems,
    items: &[NewItem],
    trace: Option<&str>,
) -> Result<bool, StoreError> {
    let store = run.integrations.store();
    store.check_free()?;
    let now = run.integrations.events().now();
    let each = items.iter();
    let stored = sqlx::query(STORE.as_str())
        .bind(run.lease.run_id)
        .bind(run.lease.fence)
        .bind(run.integration_id)
        .bind(now.timestamp_millis())
        .bind((now + DEFERRED_FOR).timestamp_millis())
        .bind(trace)
        .bind(column(each.clone().map(|item| item.event_name)))
        .bind(column(each.clone().map(version)))
        .bind(column(each.clone().map(|item| item.payload.as_str())))
        .bind(column(each.clone().map(|item| item.external_id.as_deref())))
        .bind(column(each.clone().map(|item| item.checkpoint.as_deref())))
        .bind(column(each.map(|_| Uuid::now_v7())))
        .bind(i64::try_from(items.len()).unwrap_or(i64::MAX))
        .bind(TimeDelta::from_std(LEASE).map_or(i64::MAX, |lease| lease.num_milliseconds()))
        .execute(store.writer().get_postgres_connection_pool());
    let stored = stored.await;
    let stored = stored.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))?;
    Ok(stored.rows_affected() == 1)
}

fn version(item: &NewItem) -> i32 {
    i32::try_from(item.version).unwrap_or(i32::MAX)
}

fn column<T>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect()
}
