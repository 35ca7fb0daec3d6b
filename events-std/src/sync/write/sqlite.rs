//! How a chunk is stored on SQLite: rows of bound values, and the count of them, in one transaction.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

use super::RunItems;
use crate::store::{self, StoreError};
use crate::sync::decide::DEFERRED_FOR;
use crate::sync::session::{CHUNK_ITEMS, NewItem};

/// What all items of a chunk share, and what each has of its own, in the order of [`row_of`].
const COLUMNS: &str = "integration_id, run_id, run_at, expires_at, created_at, changed_at, trace, \
                       event_name, version, payload, external_id, checkpoint_value, delivery_id";
const SHARED: usize = 7;
const WIDTH: usize = 6;

/// So many rows a statement takes: a few sizes only, so that each is prepared once for a connection.
const ROWS: [usize; 5] = [CHUNK_ITEMS, 128, 32, 8, 1];

/// Whether the run was still this process's own.
pub(super) async fn store(
    run: &RunItems,
    items: &[NewItem],
    trace: Option<String>,
) -> Result<bool, StoreError> {
    let now = run.integrations.events().now();
    let transaction = run.integrations.store().begin().await?;
    let shared = shared(run, now, trace);
    let (mut stored, mut rest) = (0, items);
    for size in ROWS {
        while rest.len() >= size {
            let (chunk, left) = rest.split_at(size);
            let insert = by_rows(chunk, &shared);
            stored += transaction.execute_raw(insert).await?.rows_affected();
            rest = left;
        }
    }
    let all = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let held = run.lease.count(&transaction, stored, all - stored, now);
    if !held.await? {
        transaction.rollback().await?;
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

fn shared(run: &RunItems, now: DateTime<Utc>, trace: Option<String>) -> [Value; SHARED] {
    let (at, expires) = (store::time(now), store::time(now + DEFERRED_FOR));
    [
        run.integration_id.into(),
        run.lease.run_id.into(),
        at.clone(),
        expires,
        at.clone(),
        at,
        trace.into(),
    ]
}

/// A statement that binds each value of each row. A repeat within the run is left out: the first stays.
fn by_rows(items: &[NewItem], shared: &[Value; SHARED]) -> Statement {
    // A parameter with a name would be looked up in the list of all names.
    let row = format!("({})", ["?"; WIDTH].join(", "));
    let rows = vec![row; items.len()].join(", ");
    let insert = format!(
        "INSERT INTO events_sync_items ({COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, ?, column1, column2, column3, column4, column5, \
         column6 FROM (VALUES {rows}) WHERE TRUE ON CONFLICT (run_id, event_name, external_id) DO NOTHING"
    );
    let mut values = Vec::with_capacity(SHARED + WIDTH * items.len());
    values.extend(shared.iter().cloned());
    values.extend(items.iter().flat_map(row_of));
    Statement::from_sql_and_values(DbBackend::Sqlite, insert, values)
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
