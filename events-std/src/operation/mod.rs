//! The operation log: its entries, and the events of an entry that is inserted.

mod events;
mod record;

pub use events::{OperationCompleted, OperationFailed, OperationStarted};
pub use record::{Direction, IntegrationLog};
