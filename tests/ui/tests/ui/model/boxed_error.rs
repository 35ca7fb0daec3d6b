use events_core::{Model, model};

#[derive(Clone)]
struct Order(u64);

impl Model for Order {
    const NAME: &'static str = "order";
    type Key = u64;

    fn key(&self) -> u64 {
        self.0
    }
}

#[model]
async fn load(key: u64) -> Result<Option<Order>, Box<dyn std::error::Error>> {
    let _ = key;
    Ok(None)
}

fn main() {}
