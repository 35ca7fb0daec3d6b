use events_core::{AnyEvent, category, listener};

#[category(inline_only)]
trait SyncItem: AnyEvent {}

#[listener(dyn SyncItem, queue)]
fn count(event: &dyn SyncItem) {
    let _ = event;
}

fn main() {}
