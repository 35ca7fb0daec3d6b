use events_core::listener;

struct Order;

#[listener(Order)]
fn ship(event: &Order) {
    let _ = event;
}

fn main() {}
