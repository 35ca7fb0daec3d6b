//! The events of the operation log.

use events_core::Event;

use super::IntegrationLog;
use crate::integration::Integration;

/// An operation began.
///
/// Fires when a log entry is inserted with the status `processing`; that of a sync run too, whose end is
/// [`SyncCompleted`](crate::SyncCompleted). A later change of the entry fires nothing.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "operation.started", after_commit)]
pub struct OperationStarted {
    /// The integration that works.
    #[event(model)]
    pub integration: Integration,
    /// The log entry. A queued listener loads today's row, which may say `success` already.
    #[event(model)]
    pub log: IntegrationLog,
}

/// An operation succeeded.
///
/// Fires when a log entry is inserted with the status `success`, not when one is changed to it.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "operation.completed", after_commit)]
pub struct OperationCompleted {
    /// The integration that worked.
    #[event(model)]
    pub integration: Integration,
    /// The log entry.
    #[event(model)]
    pub log: IntegrationLog,
}

/// An operation failed.
///
/// Fires when a log entry is inserted with the status `failed`, not when one is changed to it.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "operation.failed", after_commit)]
pub struct OperationFailed {
    /// The integration that worked.
    #[event(model)]
    pub integration: Integration,
    /// The log entry, with its error.
    #[event(model)]
    pub log: IntegrationLog,
}
