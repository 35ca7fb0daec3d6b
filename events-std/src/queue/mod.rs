//! The durable queue: jobs as rows of the application's own database, and the worker that runs them.

mod alone;
mod behind;
mod by_store;
mod claim;
mod done;
mod end;
mod engine;
mod forget;
mod handoff;
mod held;
mod lock;
pub(crate) mod operate;
pub(crate) mod packed;
mod presence;
mod reclaim;
mod tend;
mod unknown;
mod worker;

pub(crate) use claim::{Hold, TAKEN};
pub use engine::StoreQueue;
pub(crate) use forget::Aging;
pub(crate) use held::Held;
pub(crate) use presence::{Card, Presence, host};
pub(crate) use unknown::{Keys, LOOK, Memory, UNKNOWN_AFTER, before};
pub use worker::{DEFAULT_TIMEOUT, Left, Worker, WorkerError};
pub(crate) use worker::{
    Ends, Hanging, LONGEST_TIME, Means, OnThread, Over, Source, Taken, Turn, longest_transaction,
};
