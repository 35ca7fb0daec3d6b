use events_core::Event;

#[derive(Event)]
#[event(version = 0, name = "Paid", afer_commit)]
struct OrderPaid {
    #[event(model)]
    order: u64,
}

fn dispatch(event: &OrderPaid) {
    let _ = event.dispatch_sync();
}

fn main() {}
