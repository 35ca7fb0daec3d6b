events_core::link_all!(serde);

fn main() {}
