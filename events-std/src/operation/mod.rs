//! The operation log: its entries, and the events of an entry that is inserted.

mod events;
#[cfg(feature = "store")]
mod filter;
mod record;
#[cfg(feature = "store")]
mod retain;
#[cfg(feature = "store")]
mod rows;
#[cfg(feature = "store")]
mod service;

pub use events::{OperationCompleted, OperationFailed, OperationStarted};
#[cfg(feature = "store")]
pub use filter::OperationFilter;
pub use record::{Direction, IntegrationLog};
