//! The events of sync runs.

use events_core::Event;

use super::{IntegrationSyncItem, SyncItemError, SyncResult};
use crate::integration::Integration;

/// A sync run is over.
///
/// Fires exactly once for each run, when it has been reconciled: clean, partial, all failed, or empty; also when the
/// provider failed while it enumerated the items. [`SyncResult::has_failures`] tells. An item that is retried or
/// skipped later does not fire it again.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "sync.completed", announced)]
pub struct SyncCompleted {
    /// The integration, with its cursor and schedule after the run.
    #[event(model)]
    pub integration: Integration,
    /// What became of the run.
    pub result: SyncResult,
}

/// An item of a sync run failed for good.
///
/// Fires once for each such ending, whatever the reason; again if the item is retried and fails for good again.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "sync.item_failed", after_commit)]
pub struct SyncItemFailed {
    /// The integration that is synced.
    #[event(model)]
    pub integration: Integration,
    /// The item, already `failed`. A queued listener loads today's row, which may have been retried since.
    #[event(model)]
    pub item: IntegrationSyncItem,
    /// Why it failed.
    pub error: SyncItemError,
}
