//! API requests: the record of one attempt, and the events of its end.

mod events;
mod record;

pub use events::{RequestCompleted, RequestFailed};
pub use record::{IntegrationRequest, RequestFailure};
