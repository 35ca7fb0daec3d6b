//! `allocations <case> <listeners>` prints how many allocations a thousand dispatches make, under a counting
//! allocator. `measure` runs under the allocator that users have.

use std::process::ExitCode;

use events_bench::{Tally, find};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, listeners] = arguments.as_slice() else {
        eprintln!("allocations <case> <listeners>");
        return ExitCode::FAILURE;
    };
    let (Some(case), Ok(listeners)) = (find(case), listeners.parse()) else {
        eprintln!("no such case");
        return ExitCode::FAILURE;
    };
    let mut run = (case.prepare)(listeners, Tally::new());
    run(1);
    let counted = allocation_counter::measure(|| run(1000));
    println!("{}", counted.count_total);
    ExitCode::SUCCESS
}
