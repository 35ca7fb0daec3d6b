//! The operation log: its entries, and the events of an entry that is inserted.

mod events;
mod record;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod service;

pub use events::{OperationCompleted, OperationFailed, OperationStarted};
pub use record::{Direction, IntegrationLog};
