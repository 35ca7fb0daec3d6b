use events_core::Event;

#[derive(Event)]
struct Saved<T> {
    value: T,
}

fn main() {}
