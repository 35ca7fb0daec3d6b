//! The workspace tests stand in `tests/`; the examples of the README are tested here.
#![cfg_attr(doctest, doc = include_str!("../../README.md"))]

pub mod calls;
mod faults;

use std::io::Write;

pub use faults::{Dice, Effects, Size};

/// Says that a test, or a part of it, is skipped: past the harness, which shows what a test prints only if it fails.
///
/// # Panics
///
/// If `EVENTS_TESTS_MUST_NOT_SKIP` is set, as where everything that tests need is there.
pub fn skip(what: &str) {
    assert!(
        std::env::var_os("EVENTS_TESTS_MUST_NOT_SKIP").is_none(),
        "nothing may be skipped here, but: {what}"
    );
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}");
}
