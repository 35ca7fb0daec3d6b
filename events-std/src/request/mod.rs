//! API requests: the call that makes them, one attempt after the other, the record of each attempt and the events of
//! its end, and what keeps secrets out of the record.

#[cfg(feature = "store")]
mod answer;
#[cfg(feature = "store")]
mod attempt;
#[cfg(feature = "store")]
mod call;
#[cfg(feature = "store")]
mod check;
#[cfg(feature = "store")]
mod classify;
#[cfg(feature = "store")]
mod drive;
#[cfg(feature = "store")]
mod error;
mod events;
#[cfg(feature = "store")]
mod filter;
#[cfg(feature = "store")]
mod limit;
mod record;
mod redact;
#[cfg(feature = "store")]
mod retain;
#[cfg(feature = "store")]
mod rows;
#[cfg(feature = "store")]
mod wait;

#[cfg(feature = "store")]
pub use answer::ApiResponse;
#[cfg(feature = "store")]
pub use attempt::RequestAttempt;
#[cfg(feature = "store")]
pub use call::{ApiRequest, JsonRequest};
#[cfg(feature = "store")]
pub use error::{FailedRequest, RequestError};
pub use events::{RequestCompleted, RequestFailed};
#[cfg(feature = "store")]
pub use filter::RequestFilter;
pub use record::{IntegrationRequest, RequestFailure};
#[cfg(all(feature = "webhooks", feature = "store"))]
pub(crate) use redact::is_secret_name;
pub use redact::{Redact, redact};
