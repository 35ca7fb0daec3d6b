use events_core::listener;
use events_std::SyncItemEvent;

#[listener(dyn SyncItemEvent, queue)]
fn count(event: &dyn SyncItemEvent) {
    let _ = event;
}

fn main() {}
