//! Instructions by callgrind, stores by lackey.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Command;

use crate::programs::{Programs, numbers, output};

/// The instructions of one dispatch: the difference of two runs, of which one dispatches twice as often, divided by
/// the difference in dispatches. What the program does besides cancels out.
pub(crate) fn instructions(programs: &Programs, case: &str, listeners: usize) -> u64 {
    let dispatches = 20_000 / (1 + listeners as u64 / 10);
    let run = |dispatches: u64| {
        let arguments = [
            case.to_owned(),
            listeners.to_string(),
            dispatches.to_string(),
        ];
        collected(programs, "measure", &arguments, &[])
    };
    let difference = run(2 * dispatches) - run(dispatches);
    // Rounded; hash maps seeded at random make two starts differ by a few hundred.
    (difference + dispatches / 2) / dispatches
}

/// The instructions inside one function of the program `freeze`, called once.
pub(crate) fn instructions_within(programs: &Programs, function: &str) -> u64 {
    let toggle = format!("--toggle-collect=events_bench::freeze::{function}");
    collected(programs, "freeze", &["1".to_owned()], &[toggle])
}

fn collected(programs: &Programs, program: &str, arguments: &[String], options: &[String]) -> u64 {
    let mut run = Command::new("valgrind");
    run.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(options)
        .arg(programs.path(program))
        .args(arguments);
    let (_, log) = output(&mut run);
    let collected = log.lines().find_map(|line| line.split_once("Collected :"));
    let (_, collected) = collected.expect("what callgrind collected");
    collected.trim().parse().expect("a number of instructions")
}

/// Where some dispatches stored.
#[derive(Default)]
pub(crate) struct Stores {
    /// To the stack of the dispatching thread.
    pub(crate) stack: u64,
    /// To the counter of the listeners.
    pub(crate) counter: u64,
    /// Anywhere else, where other threads may look.
    pub(crate) elsewhere: u64,
}

/// Every store of this many dispatches.
pub(crate) fn stores(programs: &Programs, case: &str, listeners: usize, dispatches: u64) -> Stores {
    let trace = programs.path(&format!("stores-{case}-{listeners}.trace"));
    let mut run = Command::new("valgrind");
    run.args(["--tool=lackey", "--trace-mem=yes", "--basic-counts=no"])
        .arg(format!("--log-file={}", trace.display()))
        .arg(programs.path("stores"))
        .args([
            case.to_owned(),
            listeners.to_string(),
            dispatches.to_string(),
        ]);
    let addresses = numbers(&output(&mut run).0);
    let &[mark, counter, stack] = addresses.as_slice() else {
        panic!("`stores` gave {addresses:?}");
    };
    let file = File::open(&trace).expect("the trace of all stores");
    let stores = between_marks(BufReader::new(file), mark, counter, stack);
    // A trace is large and of no use any more; one that stays behind is written over by the next run.
    let _ = std::fs::remove_file(&trace);
    stores
}

/// Reads lines such as ` S 1ffefff8d8,8`: a store, or with `M` a change, to an address in hexadecimal.
fn between_marks(trace: impl BufRead, mark: u64, counter: u64, stack: u64) -> Stores {
    const COUNTER_BYTES: u64 = 128;
    // The frames that a dispatch adds lie below the one that the address is of, and that frame is small.
    const BELOW: u64 = 1 << 20;
    const ABOVE: u64 = 1 << 12;
    let mut stores = Stores::default();
    let mut marks = 0;
    for line in trace.split(b'\n') {
        let line = line.expect("a line of the trace");
        let Some(address) = stored_to(&line) else {
            continue;
        };
        if address == mark {
            marks += 1;
        } else if marks == 1 {
            if (counter..counter + COUNTER_BYTES).contains(&address) {
                stores.counter += 1;
            } else if (stack - BELOW..stack + ABOVE).contains(&address) {
                stores.stack += 1;
            } else {
                stores.elsewhere += 1;
            }
        }
    }
    assert_eq!(
        marks, 2,
        "the trace does not show where the dispatches begin and end"
    );
    stores
}

fn stored_to(line: &[u8]) -> Option<u64> {
    let access = line
        .strip_prefix(b" S ")
        .or_else(|| line.strip_prefix(b" M "))?;
    let (address, _) = std::str::from_utf8(access).ok()?.split_once(',')?;
    u64::from_str_radix(address, 16).ok()
}
