//! The operation log: its entries, and the events of an entry that is inserted.

mod events;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod filter;
mod record;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod retain;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod service;

pub use events::{OperationCompleted, OperationFailed, OperationStarted};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use filter::OperationFilter;
pub use record::{Direction, IntegrationLog};
