//! How a session's items are stored, chunk by chunk, as long as the run is still this process's own.

use chrono::{DateTime, Utc};
use events_core::BoxFuture;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use uuid::Uuid;

use super::SessionError;
use super::decide::DEFERRED_FOR;
use super::lease::Lease;
use super::session::{CHUNK_ITEMS, ItemSink, NewItem};
use crate::integration::Integrations;
use crate::store::{self, StoreError};

/// What all items of a chunk share, and what each has of its own, in the order of [`row_of`].
const COLUMNS: &str = "integration_id, run_id, run_at, expires_at, created_at, changed_at, \
                       event_name, version, payload, external_id, checkpoint_value, delivery_id";
const SHARED: usize = 6;
const WIDTH: usize = 6;

/// A repeat within the run: the first stays.
const UNLESS_THERE: &str = "ON CONFLICT (run_id, event_name, external_id) DO NOTHING";

/// So many rows a statement of SQLite takes: a few sizes only, so that each is prepared once for a connection.
const ROWS: [usize; 5] = [CHUNK_ITEMS, 128, 32, 8, 1];

/// The sink of a session whose run is stored.
pub(super) struct ItemWriter {
    pub(super) integrations: Integrations,
    pub(super) integration_id: i64,
    pub(super) lease: Lease,
}

impl ItemSink for ItemWriter {
    fn write(&mut self, items: Vec<NewItem>) -> BoxFuture<'_, Result<(), SessionError>> {
        Box::pin(async move {
            let written = self.store(&items).await;
            let held = written.map_err(|error| SessionError::Store(error.into()))?;
            held.then_some(()).ok_or(SessionError::Lost)
        })
    }
}

impl ItemWriter {
    /// Stores a chunk, and counts it. Whether the run was still this process's own.
    async fn store(&self, items: &[NewItem]) -> Result<bool, StoreError> {
        let now = self.integrations.events().now();
        let transaction = self.integrations.store().begin().await?;
        let shared = self.shared(now);
        let mut stored = 0;
        if self.integrations.store().backend() == DbBackend::Postgres {
            let insert = by_arrays(items, &shared);
            stored += transaction.execute_raw(insert).await?.rows_affected();
        } else {
            let mut rest = items;
            for size in ROWS {
                while rest.len() >= size {
                    let (chunk, left) = rest.split_at(size);
                    let insert = by_rows(chunk, &shared);
                    stored += transaction.execute_raw(insert).await?.rows_affected();
                    rest = left;
                }
            }
        }
        let all = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if !self
            .lease
            .count(&transaction, stored, all - stored, now)
            .await?
        {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    fn shared(&self, now: DateTime<Utc>) -> [Value; SHARED] {
        let (at, expires) = (store::time(now), store::time(now + DEFERRED_FOR));
        [
            self.integration_id.into(),
            self.lease.run_id.into(),
            at.clone(),
            expires,
            at.clone(),
            at,
        ]
    }
}

/// A statement of SQLite, which binds each value of each row.
fn by_rows(items: &[NewItem], shared: &[Value; SHARED]) -> Statement {
    // A parameter with a name would be looked up in the list of all names.
    let row = format!("({})", ["?"; WIDTH].join(", "));
    let rows = vec![row; items.len()].join(", ");
    let insert = format!(
        "INSERT INTO events_sync_items ({COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, column1, column2, column3, column4, column5, \
         column6 FROM (VALUES {rows}) WHERE TRUE {UNLESS_THERE}"
    );
    let mut values = Vec::with_capacity(SHARED + WIDTH * items.len());
    values.extend(shared.iter().cloned());
    values.extend(items.iter().flat_map(row_of));
    Statement::from_sql_and_values(DbBackend::Sqlite, insert, values)
}

/// A statement of Postgres, which takes each column as one array. The ids follow the place.
fn by_arrays(items: &[NewItem], shared: &[Value; SHARED]) -> Statement {
    let insert = format!(
        "INSERT INTO events_sync_items ({COLUMNS}) SELECT $1, $2, $3, $4, $5, $6, name, version, payload, external_id, \
         checkpoint, delivery FROM unnest($7::text::text[], $8::text::int[], $9::text::text[], $10::text::text[], \
         $11::text::text[], $12::text::uuid[]) WITH ORDINALITY AS item (name, version, payload, external_id, checkpoint, \
         delivery, place) ORDER BY place {UNLESS_THERE}"
    );
    let values = shared.iter().cloned();
    let values = values.chain(store::arrays(items.iter().map(row_of)));
    Statement::from_sql_and_values(DbBackend::Postgres, insert, values)
}

fn row_of(item: &NewItem) -> [Value; WIDTH] {
    [
        item.event_name.into(),
        i64::from(item.version).into(),
        item.payload.as_str().into(),
        item.external_id.clone().into(),
        item.checkpoint.clone().into(),
        Uuid::now_v7().into(),
    ]
}

/// Deletes what a run has found, some at a time, so that others write in between. In the end none is left, unless
/// others add to it.
pub(super) async fn delete_items(integrations: &Integrations, run_id: i64) -> Result<(), DbErr> {
    const BATCH: u64 = 2_000;
    let writer = integrations.store().writer();
    loop {
        let delete = format!(
            "DELETE FROM events_sync_items WHERE id IN (SELECT id FROM events_sync_items WHERE run_id = $1 LIMIT {BATCH})"
        );
        let delete =
            Statement::from_sql_and_values(writer.get_database_backend(), delete, [run_id.into()]);
        if writer.execute_raw(delete).await?.rows_affected() < BATCH {
            return Ok(());
        }
    }
}
