//! What the macros refuse, and with which words; and what they accept without a warning.
//!
//! Each refusal is one file with the compiler's answer beside it. After a change of words run the test with
//! `TRYBUILD=overwrite` and read the difference.

#[test]
fn ui() {
    let tests = trybuild::TestCases::new();
    tests.pass("tests/ui/pass/*.rs");
    for group in [
        "category",
        "event",
        "kernel",
        "link_all",
        "listener",
        "listeners",
        "model",
        "upcaster",
    ] {
        tests.compile_fail(format!("tests/ui/{group}/*.rs"));
    }
}
