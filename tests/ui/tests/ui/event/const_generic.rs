use events_core::Event;

#[derive(Event)]
struct Measured<const N: usize> {
    values: [u8; N],
}

fn main() {}
