//! Sync runs: a provider enumerates items, each item's listeners do its work inside the item's own job, and when the
//! last item has ended the run is reconciled. Also the capability of a provider, and the category of an adapter's
//! per-item events.

mod attempt;
mod captured;
mod category;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod decide;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod enumerate;
mod error;
mod events;
mod failure;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod fault;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod item;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod lease;
mod merge;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod operate;
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    allow(
        dead_code,
        reason = "the engine calls the rest, and it needs a database"
    )
)]
mod provider;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod reconcile;
mod record;
mod result;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod retain;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
mod run;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod scheduler;
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    allow(
        dead_code,
        reason = "the engine calls the rest, and it needs a database"
    )
)]
mod session;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod start;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod status;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod to_end;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod write;

pub use attempt::ItemAttempt;
pub use captured::{CapturedItem, CapturedItems};
pub use category::SyncItemEvent;
pub use error::{SyncItemError, SyncItemErrorKind};
pub use events::{SyncCompleted, SyncItemFailed};
pub use failure::{SessionError, SyncError};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use fault::SyncRunError;
pub use merge::{MixedCheckpoints, latest_checkpoint};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use operate::ItemFilter;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use provider::ErasedScheduledSync;
pub use provider::{ScheduledSync, scheduled_sync};
pub use record::{IntegrationSyncItem, ItemStatus};
pub use result::SyncResult;
pub use run::{RunLease, RunState, SyncProgress, SyncRun};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use scheduler::Scheduler;
pub use session::{SyncItem, SyncSession};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use start::{SkipReason, SyncStart};
