//! `stores <case> <listeners> <dispatches>` runs a case between two stores to a mark, for a trace of every store.
//! It prints where the mark, the listeners' counter and the thread's stack lie. What a dispatch stores elsewhere
//! may be memory that threads share; a lock, a reference count and a cache would all show there.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use events_bench::{Tally, find};

static MARK: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, listeners, dispatches] = arguments.as_slice() else {
        eprintln!("stores <case> <listeners> <dispatches>");
        return ExitCode::FAILURE;
    };
    let (Some(case), Ok(listeners), Ok(dispatches)) =
        (find(case), listeners.parse(), dispatches.parse::<u64>())
    else {
        eprintln!("no such case");
        return ExitCode::FAILURE;
    };
    let tally = Tally::new();
    let mut run = (case.prepare)(listeners, tally);
    run(1);
    let (mark, stack) = ((&raw const MARK).addr(), (&raw const run).addr());
    println!("{mark} {} {stack}", tally.address());
    MARK.store(1, Ordering::SeqCst);
    run(dispatches);
    MARK.store(2, Ordering::SeqCst);
    ExitCode::SUCCESS
}
