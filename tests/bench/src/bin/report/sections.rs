//! The parts of the report.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use events_bench::{Case, LISTENERS, all, bounds, shared_write};

use crate::programs::Programs;
use crate::{table, valgrind};

/// The instructions of a case with each number of listeners.
type Counted = (Case, [u64; LISTENERS.len()]);

/// Instructions per dispatch, against the bounds and the peers.
pub(crate) fn instructions(programs: &Programs, missed: &mut Vec<String>) {
    let counted = in_parallel(&all(), |case| {
        LISTENERS.map(|listeners| valgrind::instructions(programs, case.name, listeners))
    });
    let rows: Vec<Vec<String>> = counted
        .iter()
        .map(|row| instruction_row(row, missed))
        .collect();
    table::print(
        "Instructions per dispatch, listeners and measuring loop included (found/bound):",
        &["listeners", "0", "1", "10", "100", "verdict"],
        &rows,
    );
    for case in ["mod-events", "mod-events-result", "evenio", "bevy_ecs"] {
        compare(&counted, case, missed);
    }
}

fn instruction_row((case, found): &Counted, missed: &mut Vec<String>) -> Vec<String> {
    let bounds = bounds::instructions(case.name);
    let mut row = vec![case.name.to_owned()];
    let mut kept = true;
    for (index, found) in found.iter().enumerate() {
        let Some(bound) = bounds.map(|bounds| bounds[index]) else {
            row.push(found.to_string());
            continue;
        };
        row.push(format!("{found}/{bound}"));
        if *found > bound {
            kept = false;
            let listeners = LISTENERS[index];
            missed.push(format!(
                "{} with {listeners} listeners: {found} instructions, not {bound}",
                case.name
            ));
        }
    }
    row.push(
        if bounds.is_none() {
            ""
        } else if kept {
            "kept"
        } else {
            "MISSED"
        }
        .to_owned(),
    );
    row
}

/// Every peer takes longer than what does the same here.
fn compare(counted: &[Counted], peer: &str, missed: &mut Vec<String>) {
    let ours = if peer == "mod-events-result" {
        "sync-result"
    } else {
        "sync"
    };
    let of = |name: &str| counted.iter().find(|(case, _)| case.name == name);
    let (Some((_, ours_found)), Some((_, peer_found))) = (of(ours), of(peer)) else {
        return;
    };
    let ratios = std::iter::zip(ours_found, peer_found).map(|(ours, peer)| ratio(*peer, *ours));
    println!(
        "{peer} against {ours}: {} times the instructions",
        ratios.collect::<Vec<_>>().join(" / ")
    );
    for (index, listeners) in LISTENERS.iter().enumerate() {
        if ours_found[index] >= peer_found[index] {
            missed.push(format!(
                "{ours} with {listeners} listeners is not faster than {peer}"
            ));
        }
    }
}

/// Allocations and stores: ours make none but on the stack, and the check sees one where there is one.
pub(crate) fn memory(programs: &Programs, missed: &mut Vec<String>) {
    const DISPATCHES: u64 = 8;
    const LISTENERS: usize = 10;
    let cases: Vec<Case> = all().into_iter().chain([shared_write()]).collect();
    let measured = in_parallel(&cases, |case| {
        let allocations = programs.numbers("allocations", &[case.name, &LISTENERS.to_string()])[0];
        (
            allocations,
            valgrind::stores(programs, case.name, LISTENERS, DISPATCHES),
        )
    });
    let mut rows = Vec::new();
    for (case, (allocations, stores)) in &measured {
        let each = |stores: u64| ratio(stores, DISPATCHES);
        rows.push(vec![
            case.name.to_owned(),
            ratio(*allocations, 1000),
            each(stores.stack),
            each(stores.counter),
            each(stores.elsewhere),
        ]);
        if stores.counter < DISPATCHES * LISTENERS as u64 {
            missed.push(format!(
                "the trace of {} lacks stores of the listeners",
                case.name
            ));
        }
        let ours = bounds::instructions(case.name).is_some();
        if ours && (*allocations, stores.elsewhere) != (0, 0) {
            missed.push(format!("{} writes memory that is not its own", case.name));
        }
        if case.name == shared_write().name && stores.elsewhere == 0 {
            missed.push("the trace does not show a reference count that is shared".to_owned());
        }
    }
    table::print(
        "Memory per dispatch to ten listeners; what is stored elsewhere may be shared, as locks and reference counts are:",
        &[
            "listeners",
            "allocations",
            "stores: stack",
            "counter",
            "elsewhere",
        ],
        &rows,
    );
}

/// Ten thousand listeners on one event, against a sort of their keys.
pub(crate) fn freezing(programs: &Programs, missed: &mut Vec<String>, late: &mut Vec<String>) {
    const WORK: [&str; 3] = ["sort", "freeze", "build"];
    let times = programs.numbers("freeze", &[]);
    let instructions = WORK.map(|work| valgrind::instructions_within(programs, work));
    let row = |index: usize| {
        vec![
            [
                "bare sort of the keys",
                "merge, order and freeze",
                "build a dispatcher",
            ][index]
                .to_owned(),
            format!("{} us", times[index] / 1000),
            ratio(times[index], times[0]),
            instructions[index].to_string(),
            ratio(instructions[index], instructions[0]),
        ]
    };
    table::print(
        "10,000 listeners on one event; freezing includes one dispatch (bound: twice the sort):",
        &["", "time", "ratio", "instructions", "ratio"],
        &[row(0), row(1), row(2)],
    );
    if instructions[1] > 2 * instructions[0] {
        missed.push(
            "freezing 10,000 listeners takes more than twice the instructions of a sort".to_owned(),
        );
    }
    if times[1] > 2 * times[0] {
        late.push("freezing 10,000 listeners takes more than twice the time of a sort".to_owned());
    }
}

/// Nanoseconds, and what a second thread adds.
pub(crate) fn times(programs: &Programs) {
    let time = |case: &Case, listeners: usize, dispatches: usize, threads: &str| {
        let arguments = [
            case.name,
            &listeners.to_string(),
            &dispatches.to_string(),
            threads,
        ];
        let runs = (0..5).map(|_| programs.numbers("measure", &arguments)[0]);
        runs.min().unwrap_or_default()
    };
    let mut rows = Vec::new();
    let mut bare = Vec::new();
    for case in all() {
        let mut row = vec![case.name.to_owned()];
        for (index, listeners) in LISTENERS.into_iter().enumerate() {
            let dispatches = 2_000_000 / (listeners + 10);
            let picoseconds = time(&case, listeners, dispatches, "1") * 1000 / dispatches as u64;
            if case.name == "bare" {
                bare.push(picoseconds);
            }
            row.push(format!(
                "{} ({})",
                ratio(picoseconds, 1000),
                ratio(picoseconds, bare[index])
            ));
        }
        // Two threads on two processors do twice the work in the same time, unless they write the same memory.
        // A peer's threads would each have a dispatcher of their own, which tells nothing.
        let shares = case.name == "bare" || bounds::instructions(case.name).is_some();
        row.push(if shares {
            let alone = time(&case, 10, 200_000, "1");
            ratio(2 * alone, time(&case, 10, 200_000, "2"))
        } else {
            "-".to_owned()
        });
        rows.push(row);
    }
    table::print(
        "Nanoseconds per dispatch, least of five runs (times the bare loop); and the work of two threads, where one does 1:",
        &["listeners", "0", "1", "10", "100", "2 threads"],
        &rows,
    );
}

fn ratio(of: u64, to: u64) -> String {
    if to == 0 {
        return "-".to_owned();
    }
    let hundredths = (of * 100 + to / 2) / to;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Measures each case, as many at once as there are processors: valgrind counts alike on a busy machine.
fn in_parallel<T: Send>(cases: &[Case], measure: impl Fn(&Case) -> T + Sync) -> Vec<(Case, T)> {
    let next = AtomicUsize::new(0);
    let measured = Mutex::new(Vec::new());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                while let Some((index, case)) = take(cases, &next) {
                    let result = measure(case);
                    let mut measured = measured.lock().expect("no measuring thread panicked");
                    measured.push((index, *case, result));
                }
            });
        }
    });
    let mut measured = measured.into_inner().expect("no measuring thread panicked");
    measured.sort_by_key(|(index, ..)| *index);
    measured
        .into_iter()
        .map(|(_, case, result)| (case, result))
        .collect()
}

fn take<'c>(cases: &'c [Case], next: &AtomicUsize) -> Option<(usize, &'c Case)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, cases.get(index)?))
}
