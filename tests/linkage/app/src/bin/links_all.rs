//! The cure for a program with many such crates.
events_core::link_all!();

fn main() {
    linkage_contract::report();
}
