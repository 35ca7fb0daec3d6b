//! A wiring that lacks something, and listeners that fail.
use events_core::{Event, Events, State, listener};

#[derive(Debug, Event)]
struct OrderPaid {
    order: u64,
}

struct Mailer;

#[derive(Debug, thiserror::Error)]
#[error("the mailbox of order {0} is full")]
struct MailboxFull(u64);

#[listener(OrderPaid, priority = 2)]
fn send_receipt(event: &OrderPaid, _mailer: &State<Mailer>) -> Result<(), MailboxFull> {
    Err(MailboxFull(event.order))
}

#[listener(OrderPaid, priority = 1)]
fn count(event: &OrderPaid) {
    assert!(event.order < 100, "there are only a hundred orders");
}

#[listener(OrderPaid)]
fn thank(event: &OrderPaid) {
    println!("thank you for order {}", event.order);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `build` checks the wiring: here a state is missing.
    if let Err(error) = Events::builder().build() {
        println!("{error}\n");
    }

    // A failure, or a panic, stops no other listener, and the error lists them all.
    let events = Events::builder().state(Mailer).build()?;
    if let Err(error) = events.dispatch_sync(&OrderPaid { order: 700 }) {
        for failure in error.failures() {
            println!("{failure}");
        }
    }
    Ok(())
}
