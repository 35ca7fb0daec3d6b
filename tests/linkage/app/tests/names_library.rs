//! An integration test that names its package's library has the library's listeners, and no others.

use linkage_app as _;

#[test]
fn what_is_named_is_there() {
    assert_eq!(linkage_contract::heard(), ["library"]);
    assert!(linkage_contract::checked().contains("no listener of the crate `linkage_listeners`"));
}
