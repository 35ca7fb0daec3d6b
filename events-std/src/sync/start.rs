//! How a run begins: one at a time for each integration, across all processes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::DbErr;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::lease::{LEASE, Lease, holder};
use super::patience::{self, Stop};
use super::rows::{self, RUN};
use super::{ErasedScheduledSync, SyncRun, SyncRunError};
use crate::integration::{HealthStatus, Integration, IntegrationError, Integrations, Within};
use crate::operation::{Direction, IntegrationLog};
use crate::store::{self, Tx};

/// The name of sync runs in the operation log.
pub(super) const OPERATION: &str = "sync";

/// What became of a call that starts a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SyncStart {
    /// All items are found, and workers go on with them. A run without items is closed already.
    Enumerated(SyncRun),
    /// The provider failed while it enumerated, or the process lost the run: it is closed, or whoever took it over
    /// closes it.
    Failed {
        /// The run.
        run: SyncRun,
        /// Why.
        error: String,
    },
    /// Another run of the integration is not closed. Nothing was begun.
    Busy(SyncRun),
    /// The integration cannot be synced now. Nothing was begun.
    Skipped(SkipReason),
}

/// Why an integration is not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// There is none with this id.
    Missing,
    /// It is switched off.
    Inactive,
    /// Its provider is not known to this program, or has no [`ScheduledSync`](crate::ScheduledSync).
    Unable,
    /// It was due when a scheduler looked, but not any more: another one was faster, and its run is over.
    NotDue,
}

/// When a run may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Due or not.
    Now,
    /// Only if it is due still.
    Due,
}

/// What is begun.
enum Begun {
    Run(Box<Enumeration>),
    No(SyncStart),
}

/// A run whose items are to be enumerated.
#[derive(Clone)]
pub(super) struct Enumeration {
    pub(super) run: SyncRun,
    pub(super) lease: Lease,
    pub(super) integration: Integration,
    pub(super) provider: Arc<dyn ErasedScheduledSync>,
}

/// The provider's capability, if this program knows it.
pub(super) fn provider_of(
    integrations: &Integrations,
    integration: &Integration,
) -> Option<Arc<dyn ErasedScheduledSync>> {
    integrations.capability::<dyn ErasedScheduledSync>(&integration.provider)
}

impl Integrations {
    /// Starts a run now, due or not, and enumerates its items. Workers go on with them: see
    /// [`Worker::sync_items`](crate::Worker::sync_items).
    ///
    /// The provider enumerates outside any transaction. If this is dropped meanwhile, or the process dies, others end
    /// the run as failed within about a minute.
    ///
    /// # Errors
    ///
    /// If the database fails. That the provider fails is no error here: see [`SyncStart::Failed`].
    pub async fn sync(&self, id: i64) -> Result<SyncStart, SyncRunError> {
        self.sync_unless(id, When::Now, Stop::never()).await
    }

    /// As [`sync`](Self::sync), but that the enumeration fails when it is told to stop.
    pub(super) async fn sync_unless(
        &self,
        id: i64,
        when: When,
        stop: Stop,
    ) -> Result<SyncStart, SyncRunError> {
        let (hand_over, written) = oneshot::channel();
        // Once for each run, so that the future of who waits for it stays small.
        let starting = Box::pin(self.begin_run(id, when, hand_over));
        let outwait = Box::pin(self.outwait_listeners(written, &stop));
        // The listeners go on by themselves where nobody waits for them.
        let begun = tokio::select! {
            biased;
            begun = starting => begun?,
            enumeration = outwait => Begun::Run(Box::new(enumeration)),
        };
        match begun {
            Begun::No(start) => Ok(start),
            Begun::Run(enumeration) => Box::pin(self.enumerate(*enumeration, stop)).await,
        }
    }

    async fn begin_run(
        &self,
        id: i64,
        when: When,
        hand_over: oneshot::Sender<Enumeration>,
    ) -> Result<Begun, SyncRunError> {
        let block = async |tx: &Tx| {
            let begun = self.within(tx).begin_run(id, when).await?;
            if let Begun::Run(enumeration) = &begun {
                // Where nobody waits for it, this is not waited for either.
                let _ = hand_over.send((**enumeration).clone());
            }
            Ok(begun)
        };
        self.transaction(block).await
    }

    /// As `renew`, which ends also where nobody waits for it: on SQLite a statement that is left in its midst would keep
    /// the only connection that writes.
    async fn renew_to_its_end(&self, lease: Lease) -> Option<bool> {
        let engine = self.with_events(&self.events());
        let renewing = async move { engine.renew(lease).await };
        let renewing = tokio::spawn(renewing.in_current_span().with_current_subscriber());
        renewing.await.ok().flatten()
    }

    /// Renews the hold on a run while its listeners are told of it, until it is to stop, or they take too long: is ready
    /// then, if the run is committed, and goes on without them.
    async fn outwait_listeners(
        &self,
        written: oneshot::Receiver<Enumeration>,
        stop: &Stop,
    ) -> Enumeration {
        const AGAIN: Duration = Duration::from_millis(100);
        let Ok(enumeration) = written.await else {
            // There is none.
            return std::future::pending().await;
        };
        let limit = patience::of(self);
        let (integration, run) = (enumeration.integration.id, enumeration.run.id);
        let mut enough = pin!(async {
            tokio::select! {
                biased;
                () = stop.told() => {}
                () = sleep(limit) => tracing::error!(
                    integration,
                    run,
                    "an inline listener of `OperationStarted` has not ended for {limit:?}: the sync goes on without it"
                ),
            }
        });
        let mut renew = interval_at(Instant::now() + LEASE / 3, LEASE / 3);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut enough => break,
                _ = renew.tick() => drop(self.renew_to_its_end(enumeration.lease).await),
            }
        }
        // Before that it is the database that takes its time.
        while self.renew_to_its_end(enumeration.lease).await != Some(true) {
            sleep(AGAIN).await;
        }
        enumeration
    }
}

impl Within<'_> {
    async fn begin_run(&self, id: i64, when: When) -> Result<Begun, SyncRunError> {
        let skipped = |reason| Ok(Begun::No(SyncStart::Skipped(reason)));
        // Whoever holds this lock is the only one who begins or ends a run of it.
        let integration = match self.lock(id).await {
            Ok(integration) => integration,
            Err(IntegrationError::NotFound(_)) => return skipped(SkipReason::Missing),
            Err(error) => return Err(error.into()),
        };
        if !integration.is_active || integration.health_status == HealthStatus::Disabled {
            return skipped(SkipReason::Inactive);
        }
        let Some(provider) = provider_of(self.integrations(), &integration) else {
            return skipped(SkipReason::Unable);
        };
        let now = self.now();
        if let Some(run) = self.open_run(id).await? {
            let age = (now - run.created_at).to_std().unwrap_or_default();
            tracing::warn!(
                integration = id,
                run = run.id,
                state = %run.state,
                age_seconds = age.as_secs(),
                "a sync run is dropped: another one of this integration is not closed"
            );
            return Ok(Begun::No(SyncStart::Busy(run)));
        }
        if when == When::Due && !self.integrations().is_due(&integration, now) {
            return skipped(SkipReason::NotDue);
        }
        let log = IntegrationLog::new(id, OPERATION, Direction::Inbound, "processing");
        let log = self.log_operation(log).await?;
        let until = store::time_of_leases(self.tx(), now).await? + LEASE;
        let sql = format!(
            "INSERT INTO events_sync_runs (integration_id, log_id, lease_holder, lease_until, lease_fence, \
             starting_cursor, created_at, updated_at) VALUES ($1, $2, $3, $4, 1, $5, $6, $6) RETURNING {RUN}"
        );
        let values = [
            id.into(),
            log.id.into(),
            holder().into(),
            store::time(until),
            store::json_or_null(integration.sync_cursor.as_ref()),
            store::time(now),
        ];
        let row = store::row(self.tx(), sql, values).await?;
        let run = rows::read_run(&row.ok_or(DbErr::RecordNotInserted)?)?;
        let lease = Lease {
            run_id: run.id,
            fence: 1,
        };
        Ok(Begun::Run(Box::new(Enumeration {
            run,
            lease,
            integration,
            provider,
        })))
    }

    async fn open_run(&self, integration_id: i64) -> Result<Option<SyncRun>, SyncRunError> {
        let sql =
            format!("SELECT {RUN} FROM events_sync_runs WHERE integration_id = $1 AND state <> 2");
        let row = store::row(self.tx(), sql, [integration_id.into()]).await?;
        Ok(row.as_ref().map(rows::read_run).transpose()?)
    }
}
