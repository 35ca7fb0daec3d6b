//! The events of an integration's life.

use events_core::Event;

use super::{HealthStatus, Integration};

/// A new integration was stored.
///
/// Fires once for each row that is inserted, never for an update.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "integration.created", after_commit)]
pub struct IntegrationCreated {
    /// The integration, with its id.
    #[event(model)]
    pub integration: Integration,
}

/// An integration is up to date with its provider.
///
/// Fires once for each clean sync run, when the time of the run and that of the next are stored. A run with failures
/// does not fire it: see [`SyncCompleted`](crate::SyncCompleted).
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "integration.synced", after_commit)]
pub struct IntegrationSynced {
    /// The integration, with its new `last_synced_at` and `next_sync_at`; the latter unset where no interval is in
    /// effect.
    #[event(model)]
    pub integration: Integration,
}

/// An integration's health status moved.
///
/// Fires once for each transition, however many workers saw the failures that led to it. An operator who enables or
/// disables an integration does not fire it.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "integration.health_changed", after_commit)]
pub struct IntegrationHealthChanged {
    /// The integration, with its new status. A queued listener loads today's row, whose status may have moved on:
    /// the two below travel by value.
    #[event(model)]
    pub integration: Integration,
    /// The status it had.
    pub previous_status: HealthStatus,
    /// The status it has.
    pub new_status: HealthStatus,
}

/// An integration failed so often that it was switched off.
///
/// Fires once, before the [`IntegrationHealthChanged`] of the same transition. Only an operator switches the
/// integration on again.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "integration.disabled", after_commit)]
pub struct IntegrationDisabled {
    /// The integration, inactive and disabled.
    #[event(model)]
    pub integration: Integration,
}
