//! What the compiler says of capabilities that need a feature of `events-std`, and more dependencies than the other
//! cases: built only with the feature `capabilities`.

#[test]
fn ui_capabilities() {
    trybuild::TestCases::new().compile_fail("tests/ui_capabilities/*.rs");
}
