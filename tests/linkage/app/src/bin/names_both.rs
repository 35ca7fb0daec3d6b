//! The plain cure.
use linkage_app as _;
use linkage_listeners as _;

fn main() {
    linkage_contract::report();
}
