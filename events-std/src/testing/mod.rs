//! For the tests of adapters and applications: an engine that stands in one line, and runs that say what became of them.
//!
//! What plays the provider's API is no subject of this room: `wiremock` does that well.

mod engine;
mod run;

pub use engine::{TestEngine, TestEngineBuilder};
pub use run::TestRun;
