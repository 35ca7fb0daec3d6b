//! `freeze [rounds]` merges, orders and freezes ten thousand listeners, and sorts their keys, in turns. It prints the
//! least time in nanoseconds that each took: to sort, to freeze, and to build a whole dispatcher.

use std::hint::black_box;
use std::time::{Duration, Instant};

use events_bench::freeze::{build, builder, freeze, keys, outdate, records, sort};

const LISTENERS: u64 = 10_000;

fn main() {
    let rounds = std::env::args()
        .nth(1)
        .and_then(|rounds| rounds.parse().ok());
    let rounds = rounds.unwrap_or(50);
    let records = records(LISTENERS);
    let [mut sorted, mut frozen, mut built] = [Duration::MAX; 3];
    let mut events = None;
    for _ in 0..rounds {
        let builder = builder(records);
        let (made, time) = timed(|| build(black_box(builder)));
        events = Some(made);
        built = built.min(time);
    }
    let events = events.expect("at least one round");
    for _ in 0..rounds {
        let mut keys = keys(records);
        sorted = sorted.min(timed(|| sort(black_box(&mut keys))).1);
        let _added = outdate(&events);
        let (called, time) = timed(|| freeze(black_box(&events)));
        assert_eq!(called, LISTENERS + 1, "a listener missed the event");
        frozen = frozen.min(time);
    }
    println!(
        "{} {} {}",
        sorted.as_nanos(),
        frozen.as_nanos(),
        built.as_nanos()
    );
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
