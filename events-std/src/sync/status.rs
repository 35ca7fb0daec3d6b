//! How far runs have come.

use super::rows::{self, RUN};
use super::{SyncProgress, SyncRun, SyncRunError};
use crate::integration::Integrations;

impl Integrations {
    /// The runs of an integration, the latest first, 20 at most.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn sync_runs(&self, integration_id: i64) -> Result<Vec<SyncRun>, SyncRunError> {
        let sql = format!(
            "SELECT {RUN} FROM events_sync_runs WHERE integration_id = $1 ORDER BY id DESC LIMIT 20"
        );
        let rows = self.store().read_rows(sql, [integration_id.into()]).await?;
        Ok(rows.iter().map(rows::read_run).collect::<Result<_, _>>()?)
    }

    /// The latest run of an integration, and how far it has come.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn sync_status(
        &self,
        integration_id: i64,
    ) -> Result<Option<(SyncRun, SyncProgress)>, SyncRunError> {
        let Some(run) = self.sync_runs(integration_id).await?.into_iter().next() else {
            return Ok(None);
        };
        let progress = self.progress_of(&run).await?;
        Ok(Some((run, progress)))
    }

    /// How far a run has come. It costs two look-ups, however large the run is.
    ///
    /// # Errors
    ///
    /// If there is no such run, or the database fails.
    pub async fn progress(&self, run_id: i64) -> Result<SyncProgress, SyncRunError> {
        let run = self
            .sync_run(run_id)
            .await?
            .ok_or(SyncRunError::NoRun(run_id))?;
        self.progress_of(&run).await
    }

    async fn progress_of(&self, run: &SyncRun) -> Result<SyncProgress, SyncRunError> {
        let failed = self.failed_items(run.id).await?;
        Ok(SyncProgress::of(run, failed, self.events().now()))
    }
}
