//! Queued listeners: the port that a queue implements, the jobs it holds, and what runs one of them.

mod capability;
mod inline;
mod job;
mod memory;
mod permanent;
mod port;
mod process;
mod reason;

pub use capability::Capability;
pub use inline::InlineListeners;
pub use job::{Job, JobFailure, Verdict};
pub use memory::{Drained, MemoryQueue, Parked};
pub use permanent::Permanent;
pub use port::{PushError, Queue};
pub use process::Claimable;
pub use reason::{NotAParkReason, ParkReason};
