//! For the tests of adapters and applications: an engine that stands in one line, and runs and deliveries that say what
//! became of them.
//!
//! What plays the provider's API is no subject of this room: `wiremock` does that well.

#[cfg(feature = "webhooks")]
mod delivery;
mod engine;
mod run;

#[cfg(feature = "webhooks")]
pub use delivery::{TestDelivery, TestReceived};
pub use engine::{TestEngine, TestEngineBuilder};
pub use run::TestRun;
