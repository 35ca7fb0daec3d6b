//! How a session's items are stored, chunk by chunk, as long as the run is still this process's own.

use chrono::{DateTime, Utc};
use events_core::BoxFuture;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;
use uuid::Uuid;

use super::SessionError;
use super::decide::DEFERRED_FOR;
use super::lease::Lease;
use super::session::{CHUNK_ITEMS, ItemSink, NewItem};
use crate::integration::Integrations;
use crate::store::{self, StoreError};

/// What all items of a chunk share, and what each has of its own, in the order of [`row_of`].
const COLUMNS: &str = "integration_id, run_id, run_at, expires_at, created_at, changed_at, trace, \
                       event_name, version, payload, external_id, checkpoint_value, delivery_id";
const SHARED: usize = 7;
const WIDTH: usize = 6;

/// A repeat within the run: the first stays.
const UNLESS_THERE: &str = "ON CONFLICT (run_id, event_name, external_id) DO NOTHING";

/// So many rows a statement of SQLite takes: a few sizes only, so that each is prepared once for a connection.
const ROWS: [usize; 5] = [CHUNK_ITEMS, 128, 32, 8, 1];

/// The sink of a session whose run is stored: a chunk is stored while the provider finds the next.
pub(super) struct ItemWriter {
    run: RunItems,
    /// Stores a chunk, if one is being stored. Dropped with this, it stops, and the chunk is not stored.
    storing: JoinSet<Result<(), SessionError>>,
}

impl ItemWriter {
    pub(super) fn new(run: RunItems) -> Self {
        Self {
            run,
            storing: JoinSet::new(),
        }
    }
}

impl ItemSink for ItemWriter {
    fn begin(&mut self, items: Vec<NewItem>) {
        let run = self.run.clone();
        let trace = run.integrations.events().current_trace();
        let storing = async move {
            let held = run.store(&items, trace).await;
            let held = held.map_err(|error| SessionError::Store(error.into()))?;
            held.then_some(()).ok_or(SessionError::Lost)
        };
        self.storing
            .spawn(storing.in_current_span().with_current_subscriber());
    }

    fn ended(&mut self) -> Option<Result<(), SessionError>> {
        self.storing.try_join_next().map(of_task)
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), SessionError>> {
        Box::pin(async move { self.storing.join_next().await.map_or(Ok(()), of_task) })
    }

    fn is_idle(&self) -> bool {
        self.storing.is_empty()
    }
}

/// A panic goes on in the provider's task, which ends with it.
fn of_task(ended: Result<Result<(), SessionError>, JoinError>) -> Result<(), SessionError> {
    ended.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Err(SessionError::Store(Box::new(error))),
    })
}

/// Whose items are stored, as long as the hold on the run stands.
#[derive(Clone)]
pub(super) struct RunItems {
    pub(super) integrations: Integrations,
    pub(super) integration_id: i64,
    pub(super) lease: Lease,
}

impl RunItems {
    /// Stores a chunk, which belongs to this trace, and counts it. Whether the run was still this process's own.
    async fn store(&self, items: &[NewItem], trace: Option<String>) -> Result<bool, StoreError> {
        let now = self.integrations.events().now();
        let transaction = self.integrations.store().begin().await?;
        let shared = self.shared(now, trace);
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

    fn shared(&self, now: DateTime<Utc>, trace: Option<String>) -> [Value; SHARED] {
        let (at, expires) = (store::time(now), store::time(now + DEFERRED_FOR));
        [
            self.integration_id.into(),
            self.lease.run_id.into(),
            at.clone(),
            expires,
            at.clone(),
            at,
            trace.into(),
        ]
    }
}

/// A statement of SQLite, which binds each value of each row.
fn by_rows(items: &[NewItem], shared: &[Value; SHARED]) -> Statement {
    // A parameter with a name would be looked up in the list of all names.
    let row = format!("({})", ["?"; WIDTH].join(", "));
    let rows = vec![row; items.len()].join(", ");
    let insert = format!(
        "INSERT INTO events_sync_items ({COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, ?, column1, column2, column3, column4, column5, \
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
        "INSERT INTO events_sync_items ({COLUMNS}) SELECT $1, $2, $3, $4, $5, $6, $7, name, version, payload, \
         external_id, checkpoint, delivery FROM unnest($8::text::text[], $9::text::int[], $10::text::text[], \
         $11::text::text[], $12::text::text[], $13::text::uuid[]) WITH ORDINALITY AS item (name, version, payload, external_id, checkpoint, \
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
