//! Sync runs: a provider enumerates items, each item's listeners do its work inside the item's own job, and when the
//! last item has ended the run is reconciled. Also the capability of a provider, and the category of an adapter's
//! per-item events.

mod attempt;
mod captured;
mod category;
#[cfg(feature = "store")]
mod decide;
#[cfg(feature = "store")]
mod enumerate;
mod error;
mod events;
mod failure;
#[cfg(feature = "store")]
mod fault;
#[cfg(feature = "store")]
pub(crate) mod item;
#[cfg(feature = "store")]
mod lease;
mod merge;
#[cfg(feature = "store")]
mod operate;
#[cfg(feature = "store")]
mod patience;
#[cfg_attr(
    not(feature = "store"),
    allow(
        dead_code,
        reason = "the engine calls the rest, and it needs a database"
    )
)]
mod provider;
#[cfg(feature = "store")]
mod reconcile;
mod record;
mod result;
#[cfg(feature = "store")]
mod retain;
#[cfg(feature = "store")]
mod rows;
mod run;
#[cfg(feature = "store")]
mod scheduler;
#[cfg_attr(
    not(feature = "store"),
    allow(
        dead_code,
        reason = "the engine calls the rest, and it needs a database"
    )
)]
mod session;
#[cfg(feature = "store")]
mod start;
#[cfg(feature = "store")]
mod status;
#[cfg(feature = "store")]
mod to_end;
#[cfg(feature = "store")]
mod write;

pub use attempt::ItemAttempt;
pub use captured::{CapturedItem, CapturedItems};
pub use category::SyncItemEvent;
pub use error::{SyncItemError, SyncItemErrorKind};
pub use events::{SyncCompleted, SyncItemFailed};
pub use failure::{SessionError, SyncError};
#[cfg(feature = "store")]
pub use fault::SyncRunError;
pub use merge::{MixedCheckpoints, latest_checkpoint};
#[cfg(feature = "store")]
pub use operate::ItemFilter;
#[cfg(feature = "store")]
pub(crate) use provider::ErasedScheduledSync;
pub use provider::{ScheduledSync, scheduled_sync};
pub use record::{IntegrationSyncItem, ItemStatus};
pub use result::SyncResult;
pub use run::{RunLease, RunState, SyncProgress, SyncRun};
#[cfg(feature = "store")]
pub use scheduler::Scheduler;
pub use session::{SyncItem, SyncSession};
#[cfg(feature = "store")]
pub use start::{SkipReason, SyncStart};
