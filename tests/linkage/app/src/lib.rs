//! The library of a package that has programs too.

use events_core::listener;
use linkage_contract::{Signal, hear};

#[listener(Signal)]
fn in_the_library(_: &Signal) {
    hear("library");
}
