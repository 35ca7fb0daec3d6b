use events_core::Event;

#[derive(Event)]
union Raw {
    number: u32,
    bytes: [u8; 4],
}

fn main() {}
