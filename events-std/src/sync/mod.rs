//! Sync runs: their items, what becomes of them, and the category of an adapter's per-item events.

mod category;
mod error;
mod events;
mod record;
mod result;

pub use category::SyncItemEvent;
pub use error::{SyncItemError, SyncItemErrorKind};
pub use events::{SyncCompleted, SyncItemFailed};
pub use record::{IntegrationSyncItem, ItemStatus};
pub use result::SyncResult;
