//! What the compiler says to a queued listener of a per-item event, and of providers.

#[test]
fn ui_std() {
    trybuild::TestCases::new().compile_fail("tests/ui_std/*.rs");
}
