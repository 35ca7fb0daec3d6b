use events_core::{BoxError, Model, model};

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
async fn load(key: u64, db: &Order) -> Result<Option<Order>, BoxError> {
    let _ = (key, db);
    Ok(None)
}

fn main() {}
