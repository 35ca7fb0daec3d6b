//! How a session's items are stored, chunk by chunk, as long as the run is still this process's own.

use events_core::BoxFuture;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use uuid::Uuid;

use super::SessionError;
use super::decide::DEFERRED_FOR;
use super::lease::Lease;
use super::session::{ItemSink, NewItem};
use crate::integration::Integrations;
use crate::store::{self, StoreError};

/// The columns that an insert fills, in the order of [`row_of`].
const COLUMNS: &str = "integration_id, run_id, event_name, version, payload, external_id, checkpoint_value, run_at, \
                       expires_at, delivery_id, created_at, changed_at";
const WIDTH: usize = 12;

/// So many rows a statement takes: a few sizes only, so that each is prepared once for a connection.
const ROWS: [usize; 4] = [128, 32, 8, 1];

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
        let at = Times {
            now: store::time(now),
            expires: store::time(now + DEFERRED_FOR),
        };
        let (mut rest, mut stored) = (items, 0);
        for size in ROWS {
            while rest.len() >= size {
                let (chunk, left) = rest.split_at(size);
                let insert = self.insert(transaction.get_database_backend(), chunk, &at);
                stored += transaction.execute_raw(insert).await?.rows_affected();
                rest = left;
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

    fn insert(&self, backend: DbBackend, items: &[NewItem], at: &Times) -> Statement {
        let mut insert = format!("INSERT INTO events_sync_items ({COLUMNS}) VALUES ");
        let mut values = Vec::with_capacity(items.len() * WIDTH);
        for (row, item) in items.iter().enumerate() {
            insert.push_str(if row == 0 { "(" } else { ", (" });
            for column in 1..=WIDTH {
                if column > 1 {
                    insert.push_str(", ");
                }
                if backend == DbBackend::Postgres {
                    insert.push('$');
                    insert.push_str(&(row * WIDTH + column).to_string());
                } else {
                    // SQLite looks up a parameter with a name in the list of all names.
                    insert.push('?');
                }
            }
            insert.push(')');
            values.extend(self.row_of(item, at));
        }
        // A repeat within the run: the first stays.
        insert.push_str(" ON CONFLICT (run_id, event_name, external_id) DO NOTHING");
        Statement::from_sql_and_values(backend, insert, values)
    }

    fn row_of(&self, item: &NewItem, at: &Times) -> [Value; WIDTH] {
        [
            self.integration_id.into(),
            self.lease.run_id.into(),
            item.event_name.into(),
            i32::try_from(item.version).unwrap_or(i32::MAX).into(),
            item.payload.as_str().into(),
            item.external_id.clone().into(),
            item.checkpoint.clone().into(),
            at.now.clone(),
            at.expires.clone(),
            Uuid::now_v7().into(),
            at.now.clone(),
            at.now.clone(),
        ]
    }
}

struct Times {
    now: Value,
    expires: Value,
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
