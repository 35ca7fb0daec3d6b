//! A crate of listeners, as a team might keep them apart from the program.

use events_core::listener;
use linkage_contract::{Signal, hear};

#[listener(Signal)]
fn in_a_dependency(_: &Signal) {
    hear("dependency");
}
