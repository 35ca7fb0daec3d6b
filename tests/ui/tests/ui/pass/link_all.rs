//! Names every dependency of the program.
#![forbid(unsafe_code)]
#![deny(warnings, unused_crate_dependencies)]

events_core::link_all!();

fn main() {}
