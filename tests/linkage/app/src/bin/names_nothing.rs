//! Depends on the crate of listeners, and on its own package's library, but names neither: both are lost.
fn main() {
    linkage_contract::report();
}
