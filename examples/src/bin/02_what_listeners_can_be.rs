//! Listeners of one type, of several, of a category, of a name pattern; methods of a value; answers.
use std::sync::atomic::{AtomicU32, Ordering};

use events_core::{AnyEvent, Event, Events, State, category, listener, listeners};

/// Every event that concerns an account.
#[category]
trait OfAccount: AnyEvent {
    fn account(&self) -> u32;
}

#[derive(Debug, Event)]
#[event(name = "account.opened", extends(OfAccount))]
struct AccountOpened {
    account: u32,
}

#[derive(Debug, Event)]
#[event(name = "account.closed", extends(OfAccount))]
struct AccountClosed {
    account: u32,
}

impl OfAccount for AccountOpened {
    fn account(&self) -> u32 {
        self.account
    }
}

impl OfAccount for AccountClosed {
    fn account(&self) -> u32 {
        self.account
    }
}

/// An event that asks: its listeners may answer with a price in cents.
#[derive(Debug, Event)]
#[event(response = u64)]
struct PriceAsked {
    item: &'static str,
}

// One type, taken from the argument. An async listener stands beside the sync ones.
#[listener]
async fn greet(event: &AccountOpened) {
    println!("welcome, account {}", event.account);
}

// Several types.
#[listener(AccountOpened, AccountClosed, priority = 10)]
fn first_of_all(event: &dyn AnyEvent) {
    println!("{event:?}");
}

// A category.
#[listener(dyn OfAccount)]
fn bill(event: &dyn OfAccount, bills: &State<AtomicU32>) {
    println!("a bill for account {}", event.account());
    bills.fetch_add(1, Ordering::Relaxed);
}

// A name pattern, and a condition.
#[listener("account.*", when = is_closing)]
fn mourn(event: &dyn AnyEvent) {
    println!("{}, how sad", event.name());
}

fn is_closing(event: &dyn AnyEvent) -> bool {
    event.is::<AccountClosed>()
}

// An answer, or none.
#[listener(PriceAsked)]
fn list_price(event: &PriceAsked) -> Option<u64> {
    (event.item == "pen").then_some(120)
}

/// A value whose methods listen.
struct Doorbell {
    tone: &'static str,
}

#[listeners]
impl Doorbell {
    #[listener(AccountOpened, priority = -1)]
    fn ring(&self, event: &AccountOpened) {
        println!("{} for account {}", self.tone, event.account);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = Events::builder()
        .state(AtomicU32::new(0))
        .subscribe(Doorbell { tone: "ding" })
        .listen("by hand", |event: &AccountClosed| {
            println!("{} is closed", event.account);
        })
        .build()?;

    events.dispatch(&AccountOpened { account: 1 }).await?;
    events.dispatch(&AccountClosed { account: 2 }).await?;
    let price = events.dispatch_until(&PriceAsked { item: "pen" }).await?;
    println!("a pen costs {:?} cents", price.into_answer());
    let bills = events
        .state::<AtomicU32>()
        .map(|bills| bills.load(Ordering::Relaxed));
    println!("{} bills", bills.unwrap_or_default());
    Ok(())
}
