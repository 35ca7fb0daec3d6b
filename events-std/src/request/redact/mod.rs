//! What keeps secrets out of the record of a request.
//!
//! Stored is only what could be read: JSON, and forms, which are stored as JSON. In it, the values of secret names are
//! replaced, and in every text that is stored, the integration's own credentials, the values of a query, what follows
//! `Bearer` and its like, and the value behind a secret name. Credentials that are shorter than 6 bytes are not looked
//! for: they would be found everywhere.

#[cfg(feature = "store")]
mod body;
mod capability;
#[cfg(feature = "store")]
mod names;
#[cfg(all(test, feature = "store"))]
mod tests;
#[cfg(feature = "store")]
mod text;

#[cfg(feature = "store")]
pub(super) use body::Redactor;
pub use capability::{Redact, redact};
#[cfg(all(feature = "webhooks", feature = "store"))]
pub(crate) use names::is_secret_name;

/// What stands in place of a secret.
#[cfg(feature = "store")]
const REDACTED: &str = "[redacted]";
