use events_core::Event;

#[derive(Event)]
struct OrderPaid {
    #[serde(rename = "id")]
    order: u64,
}

fn main() {}
