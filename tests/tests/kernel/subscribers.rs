//! Values whose methods listen.

use std::sync::{Arc, Mutex};

use events_core::{Attempt, Event, Events, FaultKind, MemoryQueue, State, listeners};
use pollster::block_on;

use crate::{Log, log, once_pending};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "subscribers.paid")]
struct Paid(u32);

#[derive(Clone, Debug, Event)]
struct Refunded(u32);

struct Ledger {
    entries: Arc<Mutex<Vec<String>>>,
}

#[listeners]
impl Ledger {
    fn enter(&self, line: String) {
        self.entries.lock().unwrap().push(line);
    }

    #[listener(Paid)]
    fn on_paid(&self, event: &Paid, log: &State<Log>) {
        self.enter(format!("paid {}", event.0));
        log.write("paid");
    }

    #[listener(Refunded, priority = 3)]
    async fn on_refunded(&self, event: &Refunded) -> Result<(), String> {
        once_pending().await;
        self.enter(format!("refunded {}", event.0));
        Err("too late".to_owned())
    }

    #[listener(Paid, queue = "ledger")]
    async fn books(&self, event: &Paid, attempt: Attempt) {
        once_pending().await;
        self.enter(format!("booked {} {}", event.0, attempt.number));
    }
}

fn ledger() -> (Ledger, Arc<Mutex<Vec<String>>>) {
    let entries = Arc::<Mutex<Vec<String>>>::default();
    (
        Ledger {
            entries: entries.clone(),
        },
        entries,
    )
}

#[test]
fn methods_listen_with_their_value() {
    let ((ledger, entries), queue) = (ledger(), MemoryQueue::new());
    let events = Events::builder()
        .without_linked()
        .state(Log::default())
        .queue(queue.clone())
        .subscribe(ledger)
        .build()
        .unwrap();
    block_on(events.dispatch(&Paid(1))).unwrap();
    let error = block_on(events.dispatch(&Refunded(2))).unwrap_err();
    assert!(
        error.failures()[0]
            .listener()
            .name()
            .ends_with("Ledger::on_refunded")
    );
    block_on(queue.drain(&events));
    assert_eq!(
        *entries.lock().unwrap(),
        ["paid 1", "refunded 2", "booked 1 1"]
    );
    assert_eq!(log(&events), ["paid"]);
}

#[test]
fn a_subscriber_can_come_later_and_go() {
    let (ledger, entries) = ledger();
    let events = Events::builder()
        .without_linked()
        .state(Log::default())
        .queue(MemoryQueue::new())
        .build()
        .unwrap();
    let subscription = events.subscribe(ledger).unwrap();
    block_on(events.dispatch(&Paid(1))).unwrap();
    assert_eq!(entries.lock().unwrap().len(), 1);
    drop(subscription);
    block_on(events.dispatch(&Paid(2))).unwrap();
    assert_eq!(entries.lock().unwrap().len(), 1);
}

#[test]
fn a_second_value_with_queued_listeners_is_refused() {
    let events = Events::builder()
        .without_linked()
        .state(Log::default())
        .queue(MemoryQueue::new())
        .build()
        .unwrap();
    let first = events.subscribe(ledger().0).unwrap();
    let error = events.subscribe(ledger().0).unwrap_err();
    assert_eq!(error.faults()[0].kind(), FaultKind::DuplicateListener);
    drop(first);
    events.subscribe(ledger().0).unwrap().forget();
    events.dispatch_sync(&Paid(1)).unwrap();
}

#[test]
fn a_subscriber_that_comes_later_is_checked() {
    let events = Events::builder().without_linked().build().unwrap();
    let error = events.subscribe(ledger().0).unwrap_err();
    let kinds: Vec<_> = error
        .faults()
        .iter()
        .map(events_core::Fault::kind)
        .collect();
    assert_eq!(kinds, [FaultKind::MissingState, FaultKind::MissingQueue]);
}
