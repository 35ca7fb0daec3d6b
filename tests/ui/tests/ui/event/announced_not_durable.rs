use events_core::Event;

#[derive(Clone, Event)]
#[event(announced)]
struct Closed;

#[derive(Clone, Event)]
#[event(durable, name = "day.closed", announced, after_commit)]
struct DayClosed;

fn main() {}
