//! What became of a run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What became of a sync run, as it stood after reconciling. It travels by value.
///
/// The default is the result of an empty run: no items, no error.
///
/// ```
/// use events_std::SyncResult;
///
/// let result = SyncResult { success_count: 2, failure_count: 1, ..SyncResult::default() };
/// assert_eq!(result.total_count(), 3);
/// assert!(result.has_failures());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncResult {
    /// How many items ended well, skipped ones included.
    pub success_count: u64,
    /// How many items failed.
    pub failure_count: u64,
    /// The time up to which everything is known to be synced.
    pub safe_synced_at: Option<DateTime<Utc>>,
    /// The cursor after the run. JSON's `null` is read back as none.
    pub cursor: Option<Value>,
    /// Why the provider failed while it enumerated the items. No secrets.
    pub error: Option<String>,
}

impl SyncResult {
    /// Whether an item failed, or the enumeration did.
    #[must_use]
    pub fn has_failures(&self) -> bool {
        self.failure_count > 0 || self.error.is_some()
    }

    /// How many items there were.
    #[must_use]
    pub fn total_count(&self) -> u64 {
        self.success_count.saturating_add(self.failure_count)
    }
}
