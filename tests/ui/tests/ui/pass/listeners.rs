//! Free functions and methods, sync and async, with every way to say what they hear.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Mutex;

use events_core::{
    AnyEvent, Attempt, Delivery, Event, Events, State, Subscriber, category, listener, listeners,
};

/// What ran.
#[derive(Default)]
pub struct Log(Mutex<Vec<String>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
}

/// A category.
#[category]
pub trait Audited: AnyEvent {}

/// A category whose members say something.
#[category]
pub trait Levelled: AnyEvent {
    /// How grave it is.
    fn level(&self) -> u8;
}

/// An event.
#[derive(Clone, Debug, Event)]
#[event(name = "order.paid", extends(Audited, Levelled))]
pub struct OrderPaid {
    order: u64,
}

impl Levelled for OrderPaid {
    fn level(&self) -> u8 {
        3
    }
}

/// An event that listeners answer.
#[derive(Event)]
#[event(response = u64)]
pub struct PriceAsked;

#[listener(OrderPaid, priority = 10, when = is_seven, name = "first")]
fn typed(event: &OrderPaid, log: &State<Log>, _: Attempt) {
    log.add(format!("typed {}", event.order));
}

fn is_seven(event: &OrderPaid) -> bool {
    event.order == 7
}

#[listener(priority = 9)]
fn inferred(
    OrderPaid { order }: &OrderPaid,
    log: &State<Log>,
    _: Delivery,
    _: Events,
) -> Result<(), Infallible> {
    log.add(format!("inferred {order}"));
    Ok(())
}

#[listener(OrderPaid, PriceAsked, priority = 8, formerly = ["a", "b"])]
fn several(event: &dyn AnyEvent, log: &State<Log>) -> ControlFlow<()> {
    log.add(format!("several {}", event.name()));
    ControlFlow::Continue(())
}

#[listener("order.*", priority = 7)]
fn pattern(event: &dyn AnyEvent, log: &State<Log>) {
    log.add(format!("pattern {}", event.name()));
}

#[listener(dyn Audited, priority = 6)]
fn category(event: &dyn Audited, log: &State<Log>) {
    let event: &dyn AnyEvent = event;
    log.add(format!("category {}", event.name()));
}

#[listener(priority = 5)]
fn levelled(event: &dyn Levelled, log: &State<Log>) {
    log.add(format!("level {}", event.level()));
}

#[listener(OrderPaid, priority = -10)]
#[cfg(any())]
fn conditional(_: &OrderPaid, _: &Missing) {}

#[cfg(any())]
#[listener(OrderPaid)]
fn conditional_before(_: &OrderPaid, _: &Missing) {}

#[listener(OrderPaid, after_commit, priority = -1)]
#[deprecated]
fn old(_: &OrderPaid, log: &State<Log>) {
    log.add("old");
}

#[listener]
fn answers(_: &PriceAsked) -> Result<Option<u64>, Infallible> {
    Ok(Some(9))
}

#[listener(PriceAsked, handle = BY_HAND)]
fn by_hand(_: &PriceAsked) -> u64 {
    11
}

struct Mailer {
    name: &'static str,
}

#[listeners]
impl Mailer {
    #[listener(OrderPaid, when = Self::always)]
    fn sent(&self, event: &OrderPaid, log: &State<Log>) {
        log.add(format!("{} {}", self.name, event.order));
    }

    fn always(_: &OrderPaid) -> bool {
        true
    }

    /// Documented.
    #[listener("order.*")]
    #[cfg(not(any()))]
    fn heard(&self, event: &dyn AnyEvent, log: &State<Log>) {
        log.add(format!("{} {}", self.name, event.name()));
    }

    #[listener]
    #[cfg(any())]
    fn conditional(&self, _: &OrderPaid, _: &Missing) {}
}

/// A record says where the user's own tokens stand.
fn records() {
    let [sent, heard] = Mailer::listeners() else {
        panic!("the conditional method does not exist")
    };
    assert_eq!(sent.name, concat!(module_path!(), "::Mailer::sent"));
    assert_eq!(heard.doc, "Documented.");
    let source = include_str!("listeners.rs");
    for (record, head) in [(sent, "fn sent("), (heard, "fn heard(")] {
        let line = source.lines().position(|line| line.contains(head)).unwrap() + 1;
        assert_eq!(usize::try_from(record.source.line), Ok(line));
        assert!(record.source.file.ends_with("listeners.rs"));
        assert_eq!(record.source.module, module_path!());
    }
}

pub(crate) fn main() {
    records();
    let _: events_core::Handle = BY_HAND;
    let events = Events::builder()
        .state(Log::default())
        .subscribe(Mailer { name: "mail" })
        .build()
        .unwrap();
    events.dispatch_sync(&OrderPaid { order: 7 }).unwrap();
    let log = events.state::<Log>().unwrap();
    let lines = std::mem::take(&mut *log.0.lock().unwrap());
    assert_eq!(
        lines,
        [
            "typed 7",
            "inferred 7",
            "several order.paid",
            "pattern order.paid",
            "category order.paid",
            "level 3",
            "mail 7",
            "mail order.paid",
            "old",
        ]
    );
    let answers = events.dispatch_sync(&PriceAsked).unwrap();
    assert_eq!(answers.answers().len(), 2);
}
