use events_core::listener;

struct Order;

#[listener]
fn ship(event: &Order) {
    let _ = event;
}

fn main() {}
