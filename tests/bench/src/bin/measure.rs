//! `measure <case> <listeners> <dispatches> [threads]` runs a case, checks that every listener heard every event,
//! and prints how many nanoseconds the dispatches took. Under callgrind, two runs of it give the instructions of a
//! dispatch: their difference, divided by the difference in dispatches.

use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use events_bench::{Case, Tally, find};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((case, listeners, dispatches, threads)) = parse(&arguments) else {
        eprintln!("measure <case> <listeners> <dispatches> [threads]");
        return ExitCode::FAILURE;
    };
    println!(
        "{}",
        measure(case, listeners, dispatches, threads).as_nanos()
    );
    ExitCode::SUCCESS
}

fn parse(arguments: &[String]) -> Option<(Case, usize, u64, usize)> {
    let number = |index: usize| arguments.get(index)?.parse().ok();
    let case = find(arguments.first()?)?;
    let threads = if arguments.len() > 3 { number(3)? } else { 1 };
    let dispatches = u64::try_from(number(2)?).ok()?;
    Some((case, number(1)?, dispatches, threads))
}

/// The longest that one of the threads took for its dispatches.
fn measure(case: Case, listeners: usize, dispatches: u64, threads: usize) -> Duration {
    if threads == 1 {
        return timed(case, listeners, dispatches, || {});
    }
    let start = Barrier::new(threads);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    timed(case, listeners, dispatches, || {
                        start.wait();
                    })
                })
            })
            .collect();
        let times = running
            .into_iter()
            .map(|thread| thread.join().expect("a thread of the benchmark"));
        times.max().unwrap_or_default()
    })
}

fn timed(case: Case, listeners: usize, dispatches: u64, ready: impl FnOnce()) -> Duration {
    let tally = Tally::new();
    let mut run = (case.prepare)(listeners, tally);
    ready();
    let start = Instant::now();
    run(dispatches);
    let time = start.elapsed();
    assert_eq!(
        tally.total(),
        dispatches * listeners as u64,
        "a listener missed an event"
    );
    time
}
