//! Reconciling: what follows when the last item of a run has ended, decided from the rows, in one transaction that
//! locks the integration.

use chrono::TimeDelta;
use events_core::BoxError;
use sea_orm::DbBackend;
use serde_json::Value;

use super::decide::{Fold, Merge, advanced, backoff, status};
use super::item::kept_error;
use super::lease::Lease;
use super::rows::{self, RUN};
use super::start::provider_of;
use super::write::delete_some;
use super::{ErasedScheduledSync, RunState, SyncCompleted, SyncResult, SyncRun, SyncRunError};
use crate::integration::{Integration, IntegrationError, Integrations, Within};
use crate::store;

/// Nothing of the run `r` is pending or processing.
const ENDED: &str = "NOT EXISTS (SELECT 1 FROM events_sync_items AS i WHERE i.run_id = r.id AND i.state = 0) \
                     AND NOT EXISTS (SELECT 1 FROM events_sync_items AS i WHERE i.run_id = r.id AND i.state = 1)";

/// How a run closes.
pub(super) struct Close {
    failed: u64,
    /// What the checkpoints of all its items come to, where none failed.
    checkpoint: Option<Value>,
    /// Why the enumeration failed, or the checkpoints do not fit together.
    error: Option<String>,
}

impl Close {
    /// Every item ended well.
    pub(super) fn clean(checkpoint: Option<Value>) -> Self {
        Self {
            failed: 0,
            checkpoint,
            error: None,
        }
    }

    fn with_failures(failed: u64) -> Self {
        Self {
            failed,
            ..Self::clean(None)
        }
    }

    fn with_error(error: &str) -> Self {
        Self {
            error: Some(kept_error(error)),
            ..Self::clean(None)
        }
    }
}

/// What the checkpoints of a run come to.
struct Folded {
    /// How many items there are that ended well.
    items: u64,
    value: Result<Option<Value>, String>,
}

impl Integrations {
    /// Reconciles every run whose last item has ended, and whose provider this program knows; how many. Workers and
    /// schedulers call this: whoever comes first does it, and the others find nothing to do.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn reconcile(&self) -> Result<usize, SyncRunError> {
        const SOME: usize = 100;
        let (keys, values) = self.known_schedules();
        if values.is_empty() {
            return Ok(0);
        }
        // Page by page: a run that waits, as for credentials that can be decrypted, would stand in the way of all behind
        // it.
        let sql = format!(
            "SELECT r.id FROM events_sync_runs AS r WHERE r.reconcile_due AND r.state IN (1, 2) AND {ENDED} \
             AND r.integration_id IN (SELECT id FROM events_integrations WHERE provider IN ({keys})) \
             AND r.id > ${last} ORDER BY r.id LIMIT {SOME}",
            last = values.len() + 1
        );
        let (mut reconciled, mut last) = (0, i64::MIN);
        loop {
            let bound = values.iter().cloned().chain([last.into()]);
            let rows = self.store().read_rows(&sql, bound).await?;
            for row in &rows {
                last = row.try_get_by_index(0)?;
                match self.reconcile_run(last).await {
                    Ok(done) => reconciled += usize::from(done),
                    Err(error) if error.is_of_a_row() => {
                        tracing::warn!(
                            run = last,
                            %error,
                            "the row of a sync run, or of its integration, cannot be read, so that the run is not \
                             reconciled: put right what its column holds, or delete the integration"
                        );
                    }
                    Err(SyncRunError::Integration(IntegrationError::Store(error))) => {
                        return Err(error.into());
                    }
                    // As where credentials cannot be decrypted: the other runs do not wait for whoever puts that right.
                    Err(error) => {
                        tracing::error!(run = last, %error, "a sync run cannot be reconciled");
                    }
                }
            }
            if rows.len() < SOME {
                return Ok(reconciled);
            }
        }
    }

    /// Whether this call did it.
    async fn reconcile_run(&self, run_id: i64) -> Result<bool, SyncRunError> {
        let Some(run) = self.sync_run(run_id).await? else {
            return Ok(false);
        };
        let Some(integration) = self.find(run.integration_id).await? else {
            return Ok(false);
        };
        let Some(provider) = provider_of(self, &integration) else {
            return Ok(false);
        };
        let merge = |a, b| provider.merge_checkpoints(a, b);
        // What ended well stays so: it can be read before the transaction, which checks that nothing is missing.
        let folded = if self.failed_items(run_id).await? == 0 {
            Some(self.fold(&run, &merge).await?)
        } else {
            None
        };
        let done = self
            .transaction(async |tx| self.within(tx).reconcile(run_id, folded, &*provider).await)
            .await?;
        Ok(done)
    }

    pub(super) async fn failed_items(&self, run_id: i64) -> Result<u64, SyncRunError> {
        let row = self.store().read_row(FAILED, [run_id.into()]).await?;
        count_of(row.as_ref())
    }

    /// Folds the checkpoints of the items that ended well, in the order in which they were found.
    async fn fold(&self, run: &SyncRun, merge: Merge<'_>) -> Result<Folded, SyncRunError> {
        const CHUNK: i64 = 1_000;
        // Along the ids, in which a run's items stand close together: the sums keep the databases from other indexes. And
        // from one id to another, not so many of them: Postgres, which cannot count how few they are, would read all that
        // is left of the table each time, and sort it.
        let ends = "SELECT MIN(id + 0), MAX(id + 0) FROM events_sync_items WHERE run_id = $1";
        let ends = self.store().read_row(ends, [run.id.into()]).await?;
        let (first, last): (Option<i64>, Option<i64>) = match ends {
            Some(row) => (row.try_get_by_index(0)?, row.try_get_by_index(1)?),
            None => (None, None),
        };
        let joined = match self.store().backend() {
            DbBackend::Postgres => "string_agg",
            _ => "group_concat",
        };
        // As one text: on SQLite each row of an answer costs more than what is in it.
        let sql = format!(
            "SELECT COUNT(*), {joined}(checkpoint_value, ',' ORDER BY id) FROM events_sync_items \
             WHERE run_id + 0 = $1 AND id BETWEEN $2 AND $3 AND state IN (2, 4)"
        );
        let (mut next, mut items) = (first, 0);
        let mut fold = Ok(Fold::new(merge));
        while let Some(from) = next {
            let to = from.saturating_add(CHUNK - 1);
            let values = [run.id.into(), from.into(), to.into()];
            if let Some(row) = self.store().read_row(&sql, values).await? {
                items += count_of(Some(&row))?;
                if let Ok(so_far) = &mut fold
                    && let Err(error) = row
                        .try_get_by_index(1)
                        .map_err(Into::into)
                        .and_then(|list| add_all(so_far, list))
                {
                    fold = Err(format!("the checkpoints do not fit together: {error}"));
                }
            }
            next = last.filter(|last| *last > to).map(|_| to + 1);
        }
        let value = fold.map(Fold::end);
        Ok(Folded { items, value })
    }

    /// Closes a run whose enumeration failed: its items are deleted, and the schedule backs off. None: the hold is
    /// lost.
    pub(super) async fn fail_run(
        &self,
        lease: Lease,
        error: &str,
    ) -> Result<Option<SyncRun>, SyncRunError> {
        // Most go before the transaction, which others wait for. While they do this process lives, and is not to be taken
        // for dead, so that the reason is lost.
        while delete_some(self, lease.run_id).await? {
            if self.renew(lease).await == Some(false) {
                return Ok(None);
            }
        }
        self.transaction(async |tx| self.within(tx).fail_run(lease, error).await)
            .await
    }

    /// A run, by its id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn sync_run(&self, run_id: i64) -> Result<Option<SyncRun>, SyncRunError> {
        let sql = format!("SELECT {RUN} FROM events_sync_runs WHERE id = $1");
        let row = self.store().read_row(sql, [run_id.into()]).await?;
        Ok(row.as_ref().map(rows::read_run).transpose()?)
    }
}

/// Adds checkpoints, which stand in a list without its brackets. None: no item has one.
fn add_all(fold: &mut Fold<'_>, list: Option<String>) -> Result<(), BoxError> {
    let list = format!("[{}]", list.unwrap_or_default());
    let values: Vec<Value> = serde_json::from_str(&list)?;
    values.into_iter().try_for_each(|value| fold.add(value))
}

const FAILED: &str = "SELECT COUNT(*) FROM events_sync_items WHERE run_id = $1 AND state = 3";

fn count_of(row: Option<&sea_orm::QueryResult>) -> Result<u64, SyncRunError> {
    let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
    Ok(count.unsigned_abs())
}

impl Within<'_> {
    async fn reconcile(
        &self,
        run_id: i64,
        folded: Option<Folded>,
        provider: &dyn ErasedScheduledSync,
    ) -> Result<bool, SyncRunError> {
        let Some(integration) = self.lock_of_run(run_id).await? else {
            return Ok(false);
        };
        // The run's own lock waits for every acknowledgement that has begun: what ended there is seen from here on.
        let lock = store::for_update(self.tx());
        let sql =
            format!("SELECT {RUN} FROM events_sync_runs WHERE id = $1 AND reconcile_due{lock}");
        let Some(row) = store::row(self.tx(), sql, [run_id.into()]).await? else {
            return Ok(false);
        };
        let run = rows::read_run(&row)?;
        let ended = format!("SELECT 1 FROM events_sync_runs AS r WHERE r.id = $1 AND {ENDED}");
        if store::row(self.tx(), ended, [run_id.into()])
            .await?
            .is_none()
        {
            return Ok(false);
        }
        let failed = count_of(
            store::row(self.tx(), FAILED, [run_id.into()])
                .await?
                .as_ref(),
        )?;
        let folded = match folded {
            // The last failed item was resolved between the look and the lock: the next look folds.
            None if failed == 0 => return Ok(false),
            Some(folded) if failed == 0 => {
                if folded.items != run.enumerated && folded.items != self.ended_well(run_id).await?
                {
                    return Ok(false);
                }
                Some(folded)
            }
            _ => None,
        };
        match (run.state, folded) {
            (RunState::Enumerating, _) => return Ok(false),
            (RunState::Open, None) => {
                self.close(integration, run, Close::with_failures(failed))
                    .await?;
            }
            (RunState::Open, Some(folded)) => {
                let merge = |a, b| provider.merge_checkpoints(a, b);
                let cursor = integration.sync_cursor.clone();
                let after = folded.value.and_then(|value| {
                    let after = advanced(&merge, cursor, value);
                    after.map_err(|error| format!("the cursor cannot move: {error}"))
                });
                let close = match after {
                    Ok(cursor) => Close::clean(cursor),
                    Err(error) => Close::with_error(&error),
                };
                self.close(integration, run, close).await?;
            }
            (RunState::Closed, folded) => {
                self.settle(&integration, &run, folded, provider).await?;
            }
        }
        Ok(true)
    }

    /// How many items of the run ended well. Only where rows are missing that the run once had is it worth the count.
    async fn ended_well(&self, run_id: i64) -> Result<u64, SyncRunError> {
        let sql = "SELECT COUNT(*) FROM events_sync_items WHERE run_id = $1 AND state IN (2, 4)";
        count_of(store::row(self.tx(), sql, [run_id.into()]).await?.as_ref())
    }

    /// Closes a run, whose integration is locked, and tells of it.
    pub(super) async fn close(
        &self,
        integration: Integration,
        run: SyncRun,
        close: Close,
    ) -> Result<SyncRun, SyncRunError> {
        let (id, now) = (integration.id, self.now());
        let success = run.enumerated.saturating_sub(close.failed);
        let mut result = SyncResult {
            success_count: success,
            failure_count: close.failed,
            safe_synced_at: None,
            cursor: integration.sync_cursor.clone(),
            error: close.error,
        };
        let integration = if result.has_failures() {
            self.back_off(integration).await?
        } else {
            result.safe_synced_at = Some(run.created_at);
            result.cursor = close.checkpoint.or(result.cursor);
            let sql =
                "UPDATE events_integrations SET sync_cursor = $2, updated_at = $3 WHERE id = $1";
            let cursor = store::json_or_null(result.cursor.as_ref());
            store::execute(self.tx(), sql, [id.into(), cursor, store::time(now)]).await?;
            self.mark_synced(id).await?
        };
        let sql = format!(
            "UPDATE events_sync_runs SET state = 2, reconcile_due = FALSE, closed_at = $2, updated_at = $2, \
             lease_holder = NULL, lease_until = NULL WHERE id = $1 RETURNING {RUN}"
        );
        let row = store::row(self.tx(), sql, [run.id.into(), store::time(now)]).await?;
        let closed = rows::read_run(&row.ok_or(SyncRunError::NoRun(run.id))?)?;
        self.end_log(&closed, &result).await?;
        self.fire(&SyncCompleted {
            integration,
            result,
        })
        .await?;
        Ok(closed)
    }

    /// The schedule waits longer after each run with failures.
    async fn back_off(&self, integration: Integration) -> Result<Integration, SyncRunError> {
        let (now, failures) = (
            self.now(),
            integration.consecutive_sync_failures.saturating_add(1),
        );
        let interval = self.integrations().effective_interval(&integration);
        let next = interval.and_then(|interval| {
            let wait = TimeDelta::from_std(backoff(interval, failures)).ok()?;
            now.checked_add_signed(wait)
        });
        let next = next.or(integration.next_sync_at);
        let sql = "UPDATE events_integrations SET consecutive_sync_failures = $2, next_sync_at = $3, updated_at = $4 \
                   WHERE id = $1";
        let values = [
            integration.id.into(),
            i64::from(failures).into(),
            store::time_or_null(next),
            store::time(now),
        ];
        store::execute(self.tx(), sql, values).await?;
        Ok(Integration {
            consecutive_sync_failures: failures,
            next_sync_at: next,
            updated_at: now,
            ..integration
        })
    }

    /// Writes the run's end into its entry of the operation log, which fires nothing.
    async fn end_log(&self, run: &SyncRun, result: &SyncResult) -> Result<(), SyncRunError> {
        let Some(mut log) = self.lock_operation(run.log_id).await? else {
            // Forgotten, as by an operator: the run ends all the same.
            return Ok(());
        };
        let (success, failed) = (result.success_count, result.failure_count);
        status(success, failed, result.error.is_some()).clone_into(&mut log.status);
        log.summary = Some(match &result.error {
            Some(_) => "the sync failed".to_owned(),
            None => format!("{success} synced, {failed} failed"),
        });
        log.metadata = Some(serde_json::json!({
            "run": run.id, "enumerated": run.enumerated, "duplicates": run.duplicates,
        }));
        log.result_data = Some(serde_json::json!({ "success": success, "failed": failed }));
        log.error.clone_from(&result.error);
        let spent = (self.now() - run.created_at).num_milliseconds();
        log.duration_ms = Some(u64::try_from(spent).unwrap_or_default());
        self.update_operation(log).await?;
        Ok(())
    }

    /// Ends what was late in a closed run. With its last failed item resolved, the cursor moves by itself.
    async fn settle(
        &self,
        integration: &Integration,
        run: &SyncRun,
        folded: Option<Folded>,
        provider: &dyn ErasedScheduledSync,
    ) -> Result<(), SyncRunError> {
        let now = store::time(self.now());
        let merge = |a, b| provider.merge_checkpoints(a, b);
        let after = match folded.map(|folded| folded.value) {
            None => None,
            Some(Ok(value)) => match advanced(&merge, integration.sync_cursor.clone(), value) {
                Ok(after) => after,
                Err(error) => {
                    tracing::warn!(run = run.id, %error, "the cursor cannot move");
                    None
                }
            },
            Some(Err(error)) => {
                tracing::warn!(run = run.id, error, "the cursor cannot move");
                None
            }
        };
        if after.is_some() && after != integration.sync_cursor {
            let sql =
                "UPDATE events_integrations SET sync_cursor = $2, updated_at = $3 WHERE id = $1";
            let cursor = store::json_or_null(after.as_ref());
            let values = [integration.id.into(), cursor, now.clone()];
            store::execute(self.tx(), sql, values).await?;
        }
        let sql =
            "UPDATE events_sync_runs SET reconcile_due = FALSE, updated_at = $2 WHERE id = $1";
        store::execute(self.tx(), sql, [run.id.into(), now]).await?;
        Ok(())
    }

    async fn fail_run(&self, lease: Lease, error: &str) -> Result<Option<SyncRun>, SyncRunError> {
        let Some(integration) = self.lock_of_run(lease.run_id).await? else {
            return Ok(None);
        };
        let lock = store::for_update(self.tx());
        let sql = format!(
            "SELECT {RUN} FROM events_sync_runs WHERE id = $1 AND lease_fence = $2 AND state = 0{lock}"
        );
        let values = [lease.run_id.into(), lease.fence.into()];
        let Some(row) = store::row(self.tx(), sql, values).await? else {
            return Ok(None);
        };
        let sql = "DELETE FROM events_sync_items WHERE run_id = $1";
        store::execute(self.tx(), sql, [lease.run_id.into()]).await?;
        let sql = format!(
            "UPDATE events_sync_runs SET enumerated = 0, duplicates = 0 WHERE id = $1 RETURNING {RUN}"
        );
        let row = store::row(self.tx(), sql, [lease.run_id.into()])
            .await?
            .unwrap_or(row);
        let run = rows::read_run(&row)?;
        let close = Close::with_error(error);
        Ok(Some(self.close(integration, run, close).await?))
    }
}
