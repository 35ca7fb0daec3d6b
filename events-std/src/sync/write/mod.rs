//! How a session's items are stored, chunk by chunk, as long as the run is still this process's own.

#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use events_core::BoxFuture;
#[cfg(feature = "postgres")]
use sea_orm::DbBackend;
use sea_orm::{ConnectionTrait, DbErr, Statement};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::SessionError;
use super::lease::Lease;
use super::patience::Progress;
use super::session::{ItemSink, NewItem};
use crate::integration::Integrations;
use crate::store::StoreError;

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
    fn note_item(&self) {
        self.run.progress.note();
    }

    fn begin(&mut self, items: Vec<NewItem>) {
        let run = self.run.clone();
        let trace = run.integrations.events().current_trace();
        let storing = async move {
            let held = run.store(&items, trace).await;
            let held = held.map_err(|error| SessionError::Store(error.into()))?;
            run.progress.note();
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
    pub(super) progress: Progress,
}

impl RunItems {
    /// Stores a chunk, which belongs to this trace, and counts it. Whether the run was still this process's own.
    async fn store(&self, items: &[NewItem], trace: Option<String>) -> Result<bool, StoreError> {
        match self.integrations.store().backend() {
            #[cfg(feature = "postgres")]
            DbBackend::Postgres => postgres::store(self, items, trace.as_deref()).await,
            _ => sqlite::store(self, items, trace).await,
        }
    }
}

/// Deletes what a run has found, some at a time, so that others write in between. In the end none is left, unless
/// others add to it.
pub(super) async fn delete_items(integrations: &Integrations, run_id: i64) -> Result<(), DbErr> {
    while delete_some(integrations, run_id).await? {}
    Ok(())
}

/// Deletes some of what a run has found. Whether there may be more.
pub(super) async fn delete_some(integrations: &Integrations, run_id: i64) -> Result<bool, DbErr> {
    const BATCH: u64 = 2_000;
    let writer = integrations.store().writer();
    let delete = format!(
        "DELETE FROM events_sync_items WHERE id IN (SELECT id FROM events_sync_items WHERE run_id = $1 LIMIT {BATCH})"
    );
    let delete =
        Statement::from_sql_and_values(writer.get_database_backend(), delete, [run_id.into()]);
    Ok(writer.execute_raw(delete).await?.rows_affected() == BATCH)
}
