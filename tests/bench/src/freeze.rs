//! Thousands of listeners on one event: what it takes to merge, order and freeze them, beside a sort of their keys.

use std::borrow::Cow;
use std::cmp::Reverse;

use events_core::__private::{Handle, Hears, ListenerRecord, Source, SyncListener, meta_of};
use events_core::{Event, Events, EventsBuilder, Subscription};

use crate::tally::Tally;

/// The event that all of them hear.
#[derive(Event)]
pub struct Happened(Tally);

/// What `#[listener(Happened)]` writes for its function: one for each of ten thousand would take minutes to compile.
struct Listener;

impl SyncListener for Listener {
    type Event = Happened;
    type Args<'a> = ();
    type Return = ();

    fn call(event: &Happened, (): ()) {
        event.0.add();
    }
}

/// The records of linked listeners, in an order that is far from that of their names and priorities.
#[must_use]
pub fn records(listeners: u64) -> &'static [ListenerRecord] {
    // Side by side, as a program's statics are.
    (1..=listeners).map(record).collect::<Vec<_>>().leak()
}

fn record(number: u64) -> ListenerRecord {
    // By Knuth's multiplier neighbours end up far apart, in every run the same.
    let shuffled = number
        .wrapping_mul(6_364_136_223_846_793_005)
        .rotate_left(24);
    let priority = i32::try_from(shuffled % 7).unwrap_or_default() - 3;
    let name = format!("shop::module_{}::on_event_{shuffled:016x}", shuffled % 100);
    let hears = Hears::Types(Cow::Borrowed(&[meta_of::<Happened>]));
    let source = Source::new(module_path!(), file!(), line!());
    let record = ListenerRecord::sync::<Listener>(name.leak(), hears, source);
    record.priority(priority)
}

/// A listener's place in the order: what a table is sorted by.
pub type Key = (Reverse<i32>, &'static str);

/// The keys of these listeners, in the order of the records.
#[must_use]
pub fn keys(records: &'static [ListenerRecord]) -> Vec<Key> {
    let key = |record: &'static ListenerRecord| (Reverse(record.priority), &*record.name);
    records.iter().map(key).collect()
}

/// A builder that was given these listeners and no others.
pub fn builder(records: &'static [ListenerRecord]) -> EventsBuilder {
    let builder = Events::builder().without_linked();
    let register = |builder: EventsBuilder, record: &'static ListenerRecord| {
        builder.register(Handle::new(record))
    };
    records.iter().fold(builder, register)
}

/// The floor: sorts the keys as the standard library does, stable.
#[inline(never)]
pub fn sort(keys: &mut [Key]) {
    keys.sort();
}

/// Builds the dispatcher: checks the wiring of each listener, then freezes the table of each event.
///
/// # Panics
///
/// If the wiring is wrong.
#[inline(never)]
#[must_use]
pub fn build(builder: EventsBuilder) -> Events {
    builder.build().expect("the wiring of the benchmark")
}

/// Merges, orders and freezes the table, and nothing else but one dispatch: a listener was just added, so the first
/// dispatch makes a new table of all. Gives back how often a listener was called.
///
/// # Panics
///
/// If a listener fails.
#[inline(never)]
#[must_use]
pub fn freeze(events: &Events) -> u64 {
    let tally = Tally::new();
    events
        .dispatch_sync(&Happened(tally))
        .expect("listeners that cannot fail");
    tally.total()
}

/// Adds a listener, so that the next dispatch freezes the table anew.
pub fn outdate(events: &Events) -> Subscription {
    events.listen(|event: &Happened| event.0.add())
}
