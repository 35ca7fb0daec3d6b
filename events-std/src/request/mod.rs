//! API requests: the call that makes them, one attempt after the other, the record of each attempt and the events of
//! its end, and what keeps secrets out of the record.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod answer;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod attempt;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod call;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod check;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod classify;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod drive;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod error;
mod events;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod filter;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod limit;
mod record;
mod redact;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod retain;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod wait;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use answer::ApiResponse;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use attempt::RequestAttempt;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use call::{ApiRequest, JsonRequest};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use error::{FailedRequest, RequestError};
pub use events::{RequestCompleted, RequestFailed};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use filter::RequestFilter;
pub use record::{IntegrationRequest, RequestFailure};
pub use redact::{Redact, redact};
