//! Listeners that are queued: an event with a wire form, a record that travels by key, attempts.
use std::collections::BTreeMap;

use events_core::{Attempt, Event, Events, MemoryQueue, Model, State, listener, model};

#[derive(Clone, Debug)]
struct Customer {
    id: u64,
    name: &'static str,
}

impl Model for Customer {
    const NAME: &'static str = "customer";
    type Key = u64;

    fn key(&self) -> u64 {
        self.id
    }
}

type Customers = BTreeMap<u64, Customer>;

#[model]
async fn load(id: u64, customers: &State<Customers>) -> Result<Option<Customer>, std::io::Error> {
    Ok(customers.get(&id).cloned())
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "customer.renamed")]
struct CustomerRenamed {
    #[event(model)]
    customer: Customer,
    before: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the printer is out of paper")]
struct OutOfPaper;

#[listener(CustomerRenamed, queue = "letters", tries = 3, backoff = ["10ms", "20ms"])]
async fn print_letter(event: &CustomerRenamed, attempt: Attempt) -> Result<(), OutOfPaper> {
    if attempt.number == 1 {
        println!("attempt 1 fails");
        return Err(OutOfPaper);
    }
    println!(
        "attempt {}: dear {}, once {}",
        attempt.number, event.customer.name, event.before
    );
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ada = Customer {
        id: 1,
        name: "Ada Lovelace",
    };
    let queue = MemoryQueue::new();
    let events = Events::builder()
        .state(Customers::from([(1, ada.clone())]))
        .queue(queue.clone())
        .build()?;

    let event = CustomerRenamed {
        customer: ada,
        before: "Ada Byron".to_owned(),
    };
    let dispatched = events.dispatch(&event).await?;
    println!("{} job was pushed", dispatched.jobs());

    // A program spawns `queue.run(events, tokio::time::sleep)`; here we run what is due until nothing waits.
    loop {
        queue.drain(&events).await;
        let Some(due) = queue.next_due() else { break };
        tokio::time::sleep((due - events.now()).to_std().unwrap_or_default()).await;
    }
    Ok(())
}
