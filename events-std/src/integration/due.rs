//! Which integrations are due for a sync run.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::Value;

use super::{HealthStatus, Integration, IntegrationError, Integrations};
use crate::store;

/// The providers that were warned of.
#[derive(Debug, Default)]
struct Warned(Mutex<HashSet<String>>);

impl Warned {
    fn is_first(&self, provider: &str) -> bool {
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        warned.insert(provider.to_owned())
    }
}

/// A span as times are reckoned with; one that is too long is the longest.
pub(super) fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// A span as the table counts it.
fn milliseconds(duration: Duration) -> i64 {
    // At most the longest that an integration may have of its own: with the factors of health it fits all the same.
    let longest = i64::from(u32::MAX) * 60_000;
    i64::try_from(duration.as_millis()).map_or(longest, |span| span.min(longest))
}

impl Integrations {
    /// The time from one sync run of the integration to the next: its own, else its provider's default.
    #[must_use]
    pub fn effective_interval(&self, integration: &Integration) -> Option<Duration> {
        if let Some(minutes) = integration.sync_interval_minutes {
            return Some(Duration::from_mins(minutes.into()));
        }
        self.registry()
            .get(&integration.provider)?
            .schedule()?
            .interval
    }

    /// Whether the integration is due for a sync run, as far as its own row and its provider tell: a run of it that is
    /// not closed yet is not looked for.
    #[must_use]
    pub fn is_due(&self, integration: &Integration, now: DateTime<Utc>) -> bool {
        let provider = self.registry().get(&integration.provider);
        let can_sync = provider.is_some_and(|provider| provider.schedule().is_some());
        let factor = self.thresholds().factor(integration.health_status);
        let interval = self.effective_interval(integration);
        let (true, true, Some(factor), Some(interval)) =
            (can_sync, integration.is_active, factor, interval)
        else {
            return false;
        };
        let wait = span(interval.saturating_mul(factor));
        let rested =
            |last: DateTime<Utc>| last.checked_add_signed(wait).is_some_and(|at| at <= now);
        integration.next_sync_at.is_none_or(|at| at <= now)
            && integration.last_synced_at.is_none_or(rested)
    }

    /// The keys of the providers that can sync: as places of a statement, and the values for them.
    pub(crate) fn known_schedules(&self) -> (String, Vec<Value>) {
        let known = self
            .registry()
            .iter()
            .filter(|one| one.schedule().is_some());
        let values: Vec<Value> = known.map(|one| one.key.into()).collect();
        let places: Vec<_> = (1..=values.len()).map(|at| format!("${at}")).collect();
        (places.join(", "), values)
    }

    /// Warns of integrations whose providers this program does not know: once of each provider.
    pub(crate) async fn warn_of_unknown_providers(&self) -> Result<(), IntegrationError> {
        let sql = "SELECT provider, COUNT(*) FROM events_integrations WHERE is_active \
                   OR id IN (SELECT integration_id FROM events_sync_runs WHERE state <> 2) \
                   GROUP BY provider ORDER BY provider";
        let warned = self.part::<Warned>();
        for row in self.store().read_rows(sql, []).await? {
            let (provider, count): (String, i64) =
                (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let is_known = self.registry().get(&provider).is_some();
            if is_known || !warned.is_first(&provider) {
                continue;
            }
            tracing::warn!(
                provider,
                integrations = count,
                "no such provider is known here: its integrations are not synced, and its sync runs not reconciled, \
                 unless another program does it. Is the crate of its adapter linked (`use that_crate as _;`), or is it \
                 given to the builder?"
            );
        }
        Ok(())
    }

    /// The ids of those that are due and have no run that is not closed, those that have been due longest first.
    pub(crate) async fn due_for_sync(&self) -> Result<Vec<i64>, IntegrationError> {
        let mut values: Vec<Value> = vec![store::time(self.events().now())];
        let mut bind = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let (mut keys, mut defaults) = (Vec::new(), Vec::new());
        for provider in self.registry().iter() {
            let Some(schedule) = provider.schedule() else {
                continue;
            };
            keys.push(bind(provider.key.into()));
            if let Some(interval) = schedule.interval {
                let (key, interval) = (
                    bind(provider.key.into()),
                    bind(milliseconds(interval).into()),
                );
                defaults.push(format!("WHEN {key} THEN CAST({interval} AS BIGINT)"));
            }
        }
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = keys.join(", ");
        let default = if defaults.is_empty() {
            "CAST(NULL AS BIGINT)".to_owned()
        } else {
            format!("CASE i.provider {} END", defaults.join(" "))
        };
        let factors: Vec<_> = [
            HealthStatus::Healthy,
            HealthStatus::Degraded,
            HealthStatus::Failing,
        ]
        .into_iter()
        .filter_map(|health| Some((health, self.thresholds().factor(health)?)))
        .map(|(health, factor)| format!("WHEN '{health}' THEN {factor}"))
        .collect();
        let factor = format!("CASE i.health_status {} END", factors.join(" "));
        let interval = format!("COALESCE(i.sync_interval_minutes * 60000, {default})");
        // One that is disabled has no factor, so that the comparison is NULL; one without an interval likewise.
        let sql = format!(
            "SELECT i.id FROM events_integrations AS i \
             WHERE i.is_active AND i.provider IN ({keys}) AND {interval} * {factor} IS NOT NULL \
             AND (i.next_sync_at IS NULL OR i.next_sync_at <= $1) \
             AND (i.last_synced_at IS NULL OR i.last_synced_at + {interval} * {factor} <= $1) \
             AND NOT EXISTS (SELECT 1 FROM events_sync_runs AS r WHERE r.integration_id = i.id AND r.state <> 2) \
             ORDER BY COALESCE(i.next_sync_at, 0), i.id"
        );
        let rows = self.store().read_rows(sql, values).await?;
        let ids = rows.iter().map(|row| row.try_get_by_index(0));
        Ok(ids.collect::<Result<_, _>>()?)
    }
}
