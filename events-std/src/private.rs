//! What generated code calls: ordinary functions and types, documented and tested, but no promise to users.

pub use ::inventory;
pub use std::sync::Arc;
pub use std::vec::Vec;

pub use crate::integration::{Capability, LinkedProvider, RegisteredProvider, health_check};
#[cfg(feature = "oauth-loopback")]
pub use crate::oauth::oauth;
pub use crate::request::redact;
pub use crate::sync::scheduled_sync;
#[cfg(feature = "webhooks")]
pub use crate::webhook::webhooks;
