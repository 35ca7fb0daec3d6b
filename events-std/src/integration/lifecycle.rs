//! Health, and what an operator or a sync run changes.

use sea_orm::Value;

use super::{
    FailureClass, HealthStatus, InspectedIntegration, Integration, IntegrationDisabled,
    IntegrationError, IntegrationHealthChanged, IntegrationSynced, Integrations, Within, rows,
};
use crate::store;

/// What became of an integration's health. The event of what led to it fires before the events of this.
#[derive(Debug)]
#[must_use = "`announce` fires its events"]
pub(crate) struct HealthChange {
    /// The integration as it is now.
    pub(crate) integration: Integration,
    /// The status before, if it moved.
    previous: Option<HealthStatus>,
}

impl HealthChange {
    fn none(integration: Integration) -> Self {
        Self {
            integration,
            previous: None,
        }
    }
}

impl Within<'_> {
    /// Counts a failure, if it is one that counts, and moves the health; fires nothing yet.
    pub(crate) async fn count_failure(
        self,
        id: i64,
        class: FailureClass,
    ) -> Result<HealthChange, IntegrationError> {
        let before = self.lock(id).await?;
        if class != FailureClass::Upstream || before.health_status == HealthStatus::Disabled {
            return Ok(HealthChange::none(before));
        }
        let failures = before.consecutive_failures.saturating_add(1);
        let previous = before.health_status;
        let status = self
            .integrations
            .thresholds()
            .status_after(failures, previous);
        let active = before.is_active && status != HealthStatus::Disabled;
        let set =
            "consecutive_failures = $3, health_status = $4, is_active = $5, last_error_at = $2";
        let values = [
            i64::from(failures).into(),
            status.to_string().into(),
            active.into(),
        ];
        Ok(HealthChange {
            integration: self.set(id, set, values).await?,
            previous: (status != previous).then_some(previous),
        })
    }

    /// Counts a success, and moves the health; fires nothing yet.
    pub(crate) async fn count_success(self, id: i64) -> Result<HealthChange, IntegrationError> {
        let before = self.lock(id).await?;
        let previous = before.health_status;
        let is_well = previous == HealthStatus::Healthy && before.consecutive_failures == 0;
        if is_well || previous == HealthStatus::Disabled {
            return Ok(HealthChange::none(before));
        }
        let set = "consecutive_failures = 0, health_status = 'healthy'";
        Ok(HealthChange {
            integration: self.set(id, set, []).await?,
            previous: (previous != HealthStatus::Healthy).then_some(previous),
        })
    }

    /// Fires the events of a change, on the transition only.
    pub(crate) async fn announce(
        self,
        change: HealthChange,
    ) -> Result<Integration, IntegrationError> {
        let HealthChange {
            integration,
            previous,
        } = change;
        let Some(previous_status) = previous else {
            return Ok(integration);
        };
        let new_status = integration.health_status;
        if new_status == HealthStatus::Disabled {
            let event = IntegrationDisabled {
                integration: integration.clone(),
            };
            self.fire(&event).await?;
        }
        let event = IntegrationHealthChanged {
            integration,
            previous_status,
            new_status,
        };
        self.fire(&event).await?;
        Ok(event.integration)
    }

    /// As [`Integrations::record_failure`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn record_failure(
        self,
        id: i64,
        class: FailureClass,
    ) -> Result<Integration, IntegrationError> {
        let change = self.count_failure(id, class).await?;
        self.announce(change).await
    }

    /// As [`Integrations::record_success`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn record_success(self, id: i64) -> Result<Integration, IntegrationError> {
        let change = self.count_success(id).await?;
        self.announce(change).await
    }

    /// As [`Integrations::mark_synced`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn mark_synced(self, id: i64) -> Result<Integration, IntegrationError> {
        let before = self.lock(id).await?;
        let interval = self.integrations.effective_interval(&before);
        let next =
            interval.and_then(|interval| self.now().checked_add_signed(super::due::span(interval)));
        let set = "last_synced_at = $2, next_sync_at = $3, consecutive_sync_failures = 0";
        let integration = self.set(id, set, [store::time_or_null(next)]).await?;
        let event = IntegrationSynced { integration };
        self.fire(&event).await?;
        Ok(event.integration)
    }

    /// As [`Integrations::enable`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn enable(self, id: i64) -> Result<InspectedIntegration, IntegrationError> {
        let set = "is_active = $3, health_status = 'healthy', consecutive_failures = 0";
        self.set_inspected(id, set, [true.into()]).await
    }

    /// As [`Integrations::disable`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn disable(self, id: i64) -> Result<InspectedIntegration, IntegrationError> {
        self.set_inspected(id, "is_active = $3", [false.into()])
            .await
    }

    /// As [`Integrations::delete`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn delete(self, id: i64) -> Result<(), IntegrationError> {
        let sql = "DELETE FROM events_integrations WHERE id = $1";
        match store::execute(self.tx, sql, [id.into()]).await? {
            0 => Err(IntegrationError::NotFound(id)),
            _ => Ok(()),
        }
    }

    /// Changes the row: `$1` is the id, `$2` the time now, the values follow.
    pub(super) async fn set(
        self,
        id: i64,
        set: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Integration, IntegrationError> {
        self.set_inspected(id, set, values).await?.whole()
    }

    /// The same of one whose credentials need not be decrypted.
    async fn set_inspected(
        self,
        id: i64,
        set: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<InspectedIntegration, IntegrationError> {
        let sql = format!(
            "UPDATE events_integrations SET {set}, updated_at = $2 WHERE id = $1 RETURNING {}",
            rows::COLUMNS
        );
        let values = [id.into(), store::time(self.now())]
            .into_iter()
            .chain(values);
        let row = store::row(self.tx, sql, values).await?;
        self.integrations
            .read_inspected(&row.ok_or(IntegrationError::NotFound(id))?)
    }
}

impl Integrations {
    /// Records that the provider failed. Only [`FailureClass::Upstream`] counts. May fire
    /// [`IntegrationDisabled`], and then [`IntegrationHealthChanged`]; nothing moves one that is disabled.
    ///
    /// # Errors
    ///
    /// If there is no such integration, or the database fails.
    pub async fn record_failure(
        &self,
        id: i64,
        class: FailureClass,
    ) -> Result<Integration, IntegrationError> {
        self.transaction(async |tx| self.within(tx).record_failure(id, class).await)
            .await
    }

    /// Records that the provider answered well: no failures, healthy. May fire [`IntegrationHealthChanged`]. One that
    /// is disabled stays so.
    ///
    /// # Errors
    ///
    /// As [`record_failure`](Self::record_failure).
    pub async fn record_success(&self, id: i64) -> Result<Integration, IntegrationError> {
        self.transaction(async |tx| self.within(tx).record_success(id).await)
            .await
    }

    /// Records that the integration is up to date, and when it is to be synced next. Fires [`IntegrationSynced`].
    ///
    /// # Errors
    ///
    /// As [`record_failure`](Self::record_failure).
    pub async fn mark_synced(&self, id: i64) -> Result<Integration, IntegrationError> {
        self.transaction(async |tx| self.within(tx).mark_synced(id).await)
            .await
    }

    /// Switches the integration on: active, healthy, no failures. Fires nothing. So is one whose credentials cannot be
    /// decrypted.
    ///
    /// # Errors
    ///
    /// As [`record_failure`](Self::record_failure).
    pub async fn enable(&self, id: i64) -> Result<InspectedIntegration, IntegrationError> {
        self.transaction(async |tx| self.within(tx).enable(id).await)
            .await
    }

    /// Switches the integration off, and leaves its health as it is. Fires nothing. So is one whose credentials cannot
    /// be decrypted.
    ///
    /// # Errors
    ///
    /// As [`record_failure`](Self::record_failure).
    pub async fn disable(&self, id: i64) -> Result<InspectedIntegration, IntegrationError> {
        self.transaction(async |tx| self.within(tx).disable(id).await)
            .await
    }

    /// Deletes the integration with all that it owns: requests, operations, sync runs and their items, webhooks,
    /// and what OAuth keeps of it, states and leases.
    ///
    /// # Errors
    ///
    /// As [`record_failure`](Self::record_failure).
    pub async fn delete(&self, id: i64) -> Result<(), IntegrationError> {
        self.transaction(async |tx| self.within(tx).delete(id).await)
            .await
    }
}
