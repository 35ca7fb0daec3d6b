//! The enumeration: the provider hands over its items while the hold on the run is renewed beside it.

use std::pin::pin;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, timeout};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::lease::{LEASE, Lease};
use super::patience::{self, Progress, Stop};
use super::provider::text_of;
use super::reconcile::Close;
use super::rows::{self, RUN};
use super::start::Enumeration;
use super::write::{ItemWriter, RunItems};
use super::{
    ErasedScheduledSync, RunState, SyncError, SyncRun, SyncRunError, SyncSession, SyncStart,
};
use crate::integration::{Integration, Integrations, Within};
use crate::store;

/// How an enumeration ended.
enum Ended {
    Well,
    Failed(String),
    /// Others took the run over.
    Lost,
}

impl Integrations {
    pub(super) async fn enumerate(
        &self,
        enumeration: Enumeration,
        stop: Stop,
    ) -> Result<SyncStart, SyncRunError> {
        let Enumeration {
            run,
            lease,
            integration,
            provider,
        } = enumeration;
        let span = tracing::info_span!(
            "sync",
            integration = integration.id,
            provider = integration.provider,
            run = run.id
        );
        let begun_with = integration.clone();
        let enumerating = self.drive(lease, integration, provider, stop);
        let ended = enumerating.instrument(span).await;
        match ended {
            Ended::Well => match self.open_in_time(lease).await? {
                Some(run) => Ok(SyncStart::Enumerated(run)),
                None => self.lost(lease.run_id).await,
            },
            Ended::Failed(error) => {
                let error = self.without_secrets(&begun_with, &error).await;
                match self.fail_run(lease, &error).await? {
                    Some(run) => Ok(SyncStart::Failed { run, error }),
                    None => self.lost(lease.run_id).await,
                }
            }
            Ended::Lost => self.lost(lease.run_id).await,
        }
    }

    /// An error's text without the integration's credentials: those at the begin, and today's.
    async fn without_secrets(&self, begun_with: &Integration, error: &str) -> String {
        let clean = self.without_credentials(begun_with, error);
        match self.find(begun_with.id).await {
            Ok(Some(today)) => self.without_credentials(&today, &clean),
            // Where they cannot be read, nobody has read others meanwhile.
            _ => clean,
        }
    }

    /// Runs the provider's sync in a task of its own, so that a panic of it ends the enumeration alone, and renews the
    /// hold until it ends.
    async fn drive(
        &self,
        lease: Lease,
        integration: Integration,
        provider: Arc<dyn ErasedScheduledSync>,
        stop: Stop,
    ) -> Ended {
        let (progress, limit) = (Progress::new(), patience::of(self));
        let writer = ItemWriter::new(RunItems {
            integrations: self.clone(),
            integration_id: integration.id,
            lease,
            progress: progress.clone(),
        });
        let cursor = integration.sync_cursor.clone();
        let work = async move {
            let mut session = SyncSession::into_sink(cursor, Box::new(writer));
            provider.sync(&integration, &mut session).await?;
            session.flush().await?;
            Ok::<(), SyncError>(())
        };
        let work = self.events().scope(work).in_current_span();
        // Dropped with this future, it stops the task.
        let mut task = JoinSet::new();
        task.spawn(work.with_current_subscriber());
        let mut stopped = pin!(stop.told());
        let mut hangs = pin!(progress.is_missing_for(limit));
        let mut renew = interval_at(Instant::now() + LEASE / 3, LEASE / 3);
        loop {
            tokio::select! {
                biased;
                ended = task.join_next() => return match ended {
                    Some(Ok(Ok(()))) | None => Ended::Well,
                    Some(Ok(Err(error))) if is_lost(&error) => Ended::Lost,
                    Some(Ok(Err(error))) => Ended::Failed(error.to_string()),
                    Some(Err(error)) => Ended::Failed(match error.try_into_panic() {
                        Ok(panic) => format!("panicked: {}", text_of(&*panic)),
                        Err(error) => error.to_string(),
                    }),
                },
                () = &mut stopped => return Ended::Failed("it was stopped: its process ends".to_owned()),
                () = &mut hangs => return Ended::Failed(format!(
                    "the provider has handed over no item for {limit:?} and was stopped: does a call of its hang? \
                     `enumeration_timeout` of the builder gives it more time"
                )),
                // Where that is not known, the next write tells whether it stands still.
                _ = renew.tick() => if self.renew(lease).await == Some(false) {
                    return Ended::Lost;
                }
            }
        }
    }

    /// Shows life. Whether the hold still stands, if the database says so.
    pub(super) async fn renew(&self, lease: Lease) -> Option<bool> {
        let renewed = lease.renew(self.store().writer(), self.events().now());
        let not_known = |error| tracing::warn!(%error, run = lease.run_id, "the hold on a sync run was not renewed");
        renewed.await.map_err(not_known).ok()
    }

    /// What a caller hears of a run that others have taken over.
    async fn lost(&self, run_id: i64) -> Result<SyncStart, SyncRunError> {
        let run = self.sync_run(run_id).await?;
        tracing::warn!(
            run = run_id,
            "the sync run was taken over by another process"
        );
        Ok(SyncStart::Failed {
            run: run.ok_or(SyncRunError::NoRun(run_id))?,
            error: super::SessionError::Lost.to_string(),
        })
    }

    /// As [`open`](Self::open), which goes on without its listeners where they take too long.
    async fn open_in_time(&self, lease: Lease) -> Result<Option<SyncRun>, SyncRunError> {
        let limit = patience::of(self);
        if let Ok(opened) = timeout(limit, self.open(lease)).await {
            return opened;
        }
        tracing::error!(
            run = lease.run_id,
            "an inline listener of `IntegrationSynced`, or the database, has not ended for {limit:?}: the sync goes on \
             without it"
        );
        let run = self.sync_run(lease.run_id).await?;
        Ok(run.filter(|run| run.state != RunState::Enumerating))
    }

    /// Opens a run whose items are all found; one without any is closed at once. None: the hold is lost.
    async fn open(&self, lease: Lease) -> Result<Option<SyncRun>, SyncRunError> {
        let opened = self
            .transaction(async |tx| self.within(tx).open(lease).await)
            .await?;
        if let Some(run) = &opened
            && run.state == RunState::Open
        {
            self.store().pushed().notify_waiters();
        }
        Ok(opened)
    }
}

/// Whether the session refused an item because others took the run over.
fn is_lost(error: &SyncError) -> bool {
    matches!(
        error.error().downcast_ref(),
        Some(super::SessionError::Lost)
    )
}

impl Within<'_> {
    async fn open(&self, lease: Lease) -> Result<Option<SyncRun>, SyncRunError> {
        let now = self.now();
        let Some(integration) = self.lock_of_run(lease.run_id).await? else {
            return Ok(None);
        };
        let sql = format!(
            "UPDATE events_sync_runs SET state = 1, opened_at = $3, updated_at = $3, lease_holder = NULL, \
             lease_until = NULL WHERE id = $1 AND lease_fence = $2 AND state = 0 RETURNING {RUN}"
        );
        let values = [lease.run_id.into(), lease.fence.into(), store::time(now)];
        let Some(row) = store::row(self.tx(), sql, values).await? else {
            return Ok(None);
        };
        let run = rows::read_run(&row)?;
        if run.enumerated > 0 {
            store::tell_workers(self.tx()).await?;
            return Ok(Some(run));
        }
        let closed = self.close(integration, run, Close::clean(None)).await?;
        Ok(Some(closed))
    }

    /// Locks the integration of a run; none if the run is gone, and its integration with it.
    pub(super) async fn lock_of_run(
        &self,
        run_id: i64,
    ) -> Result<Option<Integration>, SyncRunError> {
        let sql = "SELECT integration_id FROM events_sync_runs WHERE id = $1";
        let Some(row) = store::row(self.tx(), sql, [run_id.into()]).await? else {
            return Ok(None);
        };
        let id: i64 = row.try_get_by_index(0)?;
        match self.lock(id).await {
            Ok(integration) => Ok(Some(integration)),
            Err(crate::integration::IntegrationError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
