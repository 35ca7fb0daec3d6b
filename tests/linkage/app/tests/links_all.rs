//! An integration test that links all has all.

events_core::link_all!();

#[test]
fn both_are_there() {
    assert_eq!(linkage_contract::heard(), ["library", "dependency"]);
    assert_eq!(linkage_contract::checked(), "all there");
    assert_eq!(linkage_contract::compared(), "");
}
