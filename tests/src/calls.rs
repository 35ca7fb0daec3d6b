//! A process that is killed at each of its system calls that write: `strace` injects the signal before the call. The
//! process is the test program again, in another role.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::{Dice, Effects, Size};

/// What writes to files.
const OF_FILES: &str = "write,pwrite64,fsync,fdatasync,ftruncate,fallocate,unlink,rename";
/// What writes to connections.
const OF_SOCKETS: &str = "sendto,sendmsg,writev";

/// System calls that are counted together. `strace` counts those of each thread on its own, and the process dies when any
/// thread comes to the count: what few threads do seldom is counted apart.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// What they are called in the output.
    pub name: &'static str,
    /// The calls, as `strace` names them.
    pub set: &'static str,
    /// Of these files only, in the scenario's folder. None: of all.
    pub files: &'static [&'static str],
}

/// What a process does to a SQLite database, `test.db`, and to the effects.
pub const SQLITE: &[Calls] = &[
    Calls {
        name: "database",
        set: OF_FILES,
        files: &["test.db", "test.db-wal", "test.db-shm"],
    },
    Calls {
        name: "checkpoint",
        set: OF_FILES,
        files: &["test.db"],
    },
    Calls {
        name: "removal",
        set: "unlink,ftruncate",
        files: &["test.db-wal", "test.db-shm"],
    },
    EFFECTS,
];

/// What a process sends, as to Postgres; and what it does to the effects.
pub const POSTGRES: &[Calls] = &[SENDS, EFFECTS];

/// What a process sends over connections.
pub const SENDS: Calls = Calls {
    name: "sends",
    set: OF_SOCKETS,
    files: &[],
};

const EFFECTS: Calls = Calls {
    name: "effects",
    set: "write",
    files: &[Effects::FILE],
};

const URL: &str = "EVENTS_FAULTS_SCENARIO";
const FOLDER: &str = "EVENTS_FAULTS_SCENARIO_FOLDER";

/// What a process plays until it dies.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The test that plays it, by its name.
    pub role: &'static str,
    /// The address of the database.
    pub url: String,
    /// The folder of its files.
    pub folder: PathBuf,
}

impl Scenario {
    /// The database's address and the folder, in a process that plays a scenario. None: it is no such process.
    ///
    /// # Panics
    ///
    /// If there is an address without a folder.
    #[must_use]
    pub fn of_process() -> Option<(String, PathBuf)> {
        let url = std::env::var(URL).ok()?;
        let folder = std::env::var(FOLDER).expect("the folder of the scenario");
        Some((url, folder.into()))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("strace")
    }
}

impl Calls {
    /// The scenario, watched; and killed at this call if it comes so far.
    fn played(&self, scenario: &Scenario, kill_at: Option<usize>) -> Command {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(scenario.log());
        strace.arg(format!("--trace={}", self.set));
        if let Some(call) = kill_at {
            strace.arg(format!("--inject={}:signal=KILL:when={call}", self.set));
        }
        for file in self.files {
            strace.arg("-P").arg(scenario.folder.join(file));
        }
        strace
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", scenario.role, "--nocapture", "--test-threads=1"])
            .env(URL, &scenario.url)
            .env(FOLDER, &scenario.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        strace
    }
}

/// How many calls the busiest thread made.
fn counted(log: &Path) -> usize {
    let log = std::fs::read_to_string(log).expect("what strace saw");
    let mut threads: HashMap<&str, usize> = HashMap::new();
    for line in log.lines().filter(|line| !line.contains("resumed>")) {
        if let Some((thread, _)) = line.split_once(' ').filter(|(_, call)| call.contains('(')) {
            *threads.entry(thread).or_default() += 1;
        }
    }
    threads.into_values().max().unwrap_or_default()
}

/// At how many of the calls of a kind.
fn sample(all: usize) -> usize {
    match Size::of_run() {
        Size::Small => all.min(6),
        Size::Ci => all.min(30),
        Size::Long => all,
    }
}

/// Plays a scenario once to its end, to count its calls, and then once for each call that is chosen, at which it is killed:
/// a few of each kind in a small run, all in a long one.
///
/// `ready` makes what a scenario of this name begins with. `play` runs the command, whose output is piped, to its
/// end or its death, and checks what must hold then: it is told the point.
///
/// # Panics
///
/// If a scenario that was not killed fails, or too few were killed.
pub async fn kill_at_every_call(
    kinds: &[Calls],
    ready: impl AsyncFn(&str) -> Scenario,
    play: impl AsyncFn(&Scenario, Command, &str) -> Output,
) {
    let mut dice = Dice::new();
    for kind in kinds {
        let whole = ready(kind.name).await;
        let output = play(&whole, kind.played(&whole, None), "the whole").await;
        assert!(output.status.success(), "{}: {output:?}", kind.name);
        let all = counted(&whole.log());
        assert!(all > 0, "no call of {} was seen", kind.name);
        let sample = sample(all);
        let mut killed = 0;
        for part in 0..sample {
            // One of each part.
            let (from, to) = (part * all / sample, (part + 1) * all / sample);
            let call = 1 + from + dice.below(to - from);
            let point = format!("{} {call} of {all}", kind.name);
            let scenario = ready(&format!("{}-{call}", kind.name)).await;
            let output = play(&scenario, kind.played(&scenario, Some(call)), &point).await;
            if output.status.signal() == Some(9) {
                killed += 1;
            } else {
                // Not every run makes as many calls.
                assert!(output.status.success(), "{point}: {output:?}");
            }
        }
        eprintln!(
            "killed at {killed} of {sample} points in {all} calls: {}",
            kind.name
        );
        // Runs differ by a few calls, of which a kind may have but three.
        assert!(killed * 2 >= sample, "{}: {killed} of {sample}", kind.name);
    }
}

/// Whether `strace` can watch processes here; it is said where it cannot.
#[must_use]
pub fn strace_is_here() -> bool {
    let traced = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    let works = traced.is_ok_and(|output| output.status.success());
    if !works {
        crate::skip("with a death at each call that writes: strace is not here");
    }
    works
}
