//! The record of one item of a sync run.

use std::fmt;

use chrono::{DateTime, Utc};
use events_core::Model;
use serde_json::Value;

/// One item of a sync run: a stored per-item event, and how far its work has come.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegrationSyncItem {
    /// The row's id; 0 before the insert.
    pub id: i64,
    /// The integration that is synced.
    pub integration_id: i64,
    /// The run that found the item.
    pub run_id: i64,
    /// The stored name of the item's event, as `zendesk.ticket.synced`.
    pub event_name: String,
    /// The version of the event's wire form.
    pub version: u32,
    /// The event in its wire form: JSON.
    pub payload: String,
    /// The provider's id of the item: 500 characters at most.
    pub external_id: Option<String>,
    /// How far the cursor may move once this item and those before it are done.
    pub checkpoint_value: Option<Value>,
    /// How it stands.
    pub status: ItemStatus,
    /// What went wrong in the last attempt: 1,000 characters at most.
    pub error: Option<String>,
    /// How many attempts were counted.
    pub attempts: u32,
    /// When it became `success`, `failed` or `skipped`.
    pub completed_at: Option<DateTime<Utc>>,
    /// The id of the later item whose success made this one superfluous.
    pub superseded_by: Option<i64>,
    /// When the row was inserted.
    pub created_at: DateTime<Utc>,
    /// When the row was last changed.
    pub updated_at: DateTime<Utc>,
}

impl IntegrationSyncItem {
    /// An item that is not stored: pending, version 1, no attempts, everything optional unset. `id` is 0 and both
    /// timestamps are the Unix epoch.
    #[must_use]
    pub fn new(
        integration_id: i64,
        run_id: i64,
        event_name: impl Into<String>,
        payload: impl Into<String>,
    ) -> Self {
        Self {
            id: 0,
            integration_id,
            run_id,
            event_name: event_name.into(),
            version: 1,
            payload: payload.into(),
            external_id: None,
            checkpoint_value: None,
            status: ItemStatus::Pending,
            error: None,
            attempts: 0,
            completed_at: None,
            superseded_by: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }
}

impl Model for IntegrationSyncItem {
    const NAME: &'static str = "integration_sync_item";
    type Key = i64;

    fn key(&self) -> i64 {
        self.id
    }
}

/// How an item of a sync run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemStatus {
    /// It waits for an attempt.
    Pending,
    /// An attempt runs.
    Processing,
    /// Its work is done. Final.
    Success,
    /// It ended without success; an operator may retry or skip it.
    Failed,
    /// An operator skipped it, or a later item superseded it. Final.
    Skipped,
}

#[cfg(feature = "store")]
impl ItemStatus {
    /// As it stands in the database.
    pub(super) fn of(stored: i16) -> Option<Self> {
        match stored {
            0 => Some(Self::Pending),
            1 => Some(Self::Processing),
            2 => Some(Self::Success),
            3 => Some(Self::Failed),
            4 => Some(Self::Skipped),
            _ => None,
        }
    }

    /// As it stands in the database.
    pub(super) fn stored(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Processing => 1,
            Self::Success => 2,
            Self::Failed => 3,
            Self::Skipped => 4,
        }
    }
}

impl fmt::Display for ItemStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}
