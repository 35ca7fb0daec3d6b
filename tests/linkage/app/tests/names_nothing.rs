//! An integration test that names neither its package's library nor the crate of listeners loses both.

#[test]
fn both_are_lost_and_the_check_says_so() {
    assert!(linkage_contract::heard().is_empty());
    assert!(
        linkage_contract::checked().contains("no listener of the crate `linkage_app` is linked")
    );
    let difference = linkage_contract::compared();
    for line in [
        "linkage_app::in_the_library",
        "linkage_listeners::in_a_dependency",
        "use linkage_listeners as _;",
    ] {
        assert!(difference.contains(line), "{difference}");
    }
}
