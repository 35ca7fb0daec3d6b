//! The main example with a store, killed and told to stop.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use events_core::{BoxError, Event, Events, listener};
use events_std::{Store, Tx};
use sea_orm::{ConnectionTrait, Database};

const PROGRAM: &str = env!("CARGO_BIN_EXE_helpdesk");

/// Random choices that a run can repeat.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = match std::env::var("EVENTS_FAULTS_SEED") {
            Ok(seed) => seed.parse().expect("a number"),
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        eprintln!("EVENTS_FAULTS_SEED={seed}");
        Self(seed)
    }

    /// A number below `end`: `SplitMix64`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let below = (z ^ (z >> 31)) % u64::try_from(end).expect("a number");
        usize::try_from(below).expect("a number")
    }
}

fn in_folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A SQLite file that is not there yet.
fn sqlite(name: &str) -> String {
    let path = in_folder(name);
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    format!("sqlite:{}", path.display())
}

/// A file of alerts, each told from the others by its action.
fn alerts(name: &str, from: usize, count: usize) -> String {
    let alert = |number| {
        format!(
            r#"{{"headers":{{"x-github-event":"dependabot_alert"}},"body":"{{\"action\":\"created-{number}\",\"alert\":{{\"severity\":\"high\"}}}}"}}"#
        )
    };
    let lines: Vec<String> = (from..from + count).map(alert).collect();
    let path = in_folder(name);
    fs::write(&path, lines.join("\n")).expect("the test's own folder can be written");
    path.display().to_string()
}

fn run(args: &[&str]) -> Output {
    let output = Command::new(PROGRAM).args(args).output();
    output.expect("the program starts")
}

/// A run whose lines are read as they come.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    read: Vec<String>,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("it is piped");
        Self {
            child,
            lines: BufReader::new(stdout).lines(),
            read: Vec::new(),
        }
    }

    /// Reads so many lines more, if it says so much.
    fn hear(&mut self, count: usize) {
        let lines = self.lines.by_ref().take(count);
        self.read.extend(lines.map(|line| line.expect("text")));
    }

    /// Ends it without a word; what it had said.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it is killed");
        self.end().1
    }

    fn end(mut self) -> (ExitStatus, Vec<String>) {
        self.hear(usize::MAX);
        (self.child.wait().expect("it ends"), self.read)
    }
}

/// How many jobs are pending, done and parked, as the last line has it.
fn standing(output: &str) -> [usize; 3] {
    let last = output.lines().last().expect("a last line");
    let counts = last
        .strip_prefix("jobs: ")
        .unwrap_or_else(|| panic!("{last}"));
    let words: Vec<&str> = counts
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .collect();
    let [pending, "pending", done, "done", parked, "parked"] = words[..] else {
        panic!("{last}");
    };
    [pending, done, parked].map(|count| count.parse().expect("a number"))
}

fn drain(store: &str) -> String {
    let output = run(&["--store", store, "work", "--drain"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The alerts about which somebody was paged.
fn paged<'l>(lines: impl Iterator<Item = &'l str>) -> BTreeSet<usize> {
    lines
        .filter_map(|line| line.split_once("paged about dependabot_alert, created-"))
        .map(|(_, rest)| rest.trim_end_matches(": High").parse().expect("a number"))
        .collect()
}

#[test]
fn with_a_store_the_jobs_are_rows_and_end_the_same_way() {
    let store = sqlite("with_a_store.db");
    let output = run(&["--store", &store, "--deliveries"]);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        printed.lines().last(),
        Some("deliveries: 9 read, 9 dispatched, 0 refused")
    );
    assert!(
        printed.contains("paged about dependabot_alert, created: High"),
        "{printed}"
    );
    // Of each delivery the announcement and the processing, and two pages.
    assert_eq!(standing(&drain(&store)), [0, 9 * 2 + 2, 0]);
}

/// Killed at random points while it sends and works, and while it works alone: about every alert that was answered
/// somebody is paged.
fn survives(store: &str, name: &str) {
    const ALERTS: usize = 150;
    const ROUNDS: usize = 5;
    let mut dice = Dice::new();
    let mut said = Vec::new();
    let mut answered = BTreeSet::new();
    for round in 0..ROUNDS {
        let from = round * ALERTS;
        let file = alerts(&format!("{name}.jsonl"), from, ALERTS);
        let mut sending = Running::start(&["--store", store, "--deliveries", &file]);
        // Each alert makes some lines: it is sent, processed, audited, paged.
        sending.hear(1 + dice.below(4 * ALERTS));
        let lines = sending.kill();
        let queued = lines.iter().filter(|line| line.ends_with(": queued"));
        answered.extend(from..from + queued.count());
        said.extend(lines);

        let mut working = Running::start(&["--store", store, "work", "--drain"]);
        working.hear(1 + dice.below(ALERTS / 2));
        said.extend(working.kill());
    }
    let last = drain(store);
    let [pending, done, parked] = standing(&last);
    assert_eq!((pending, parked), (0, 0), "{last}");
    let paged = paged(said.iter().map(String::as_str).chain(last.lines()));
    let missing: Vec<_> = answered.difference(&paged).collect();
    assert!(!answered.is_empty() && missing.is_empty(), "{missing:?}");
    // Announced, processed and paged; processed once more where the process was killed meanwhile.
    assert!(done >= 3 * paged.len(), "{done} < 3 * {}", paged.len());
}

#[test]
fn what_a_killed_process_has_accepted_is_run_by_the_next() {
    survives(&sqlite("killed.db"), "killed");
}

#[test]
fn so_it_is_on_postgres() {
    let Ok(server) = std::env::var("EVENTS_TEST_POSTGRES_URL") else {
        return events_tests::skip("on Postgres: EVENTS_TEST_POSTGRES_URL is not set");
    };
    let name = format!("events_example_{}", std::process::id());
    let administer = |statement: String| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let admin = Database::connect(&server).await.expect("Postgres answers");
            let done = admin.execute_unprepared(&statement).await;
            done.expect("a database of its own");
        });
    };
    administer(format!("CREATE DATABASE {name}"));
    let (address, _) = server.rsplit_once('/').expect("a database in the address");
    survives(&format!("{address}/{name}"), "killed_on_postgres");
    administer(format!("DROP DATABASE {name} WITH (FORCE)"));
}

/// Another program of the same store, that raises the same alerts.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "github.security_alert")]
struct Alert {
    source: String,
    action: String,
    severity: String,
}

#[listener(
    Alert,
    queue = "alerts",
    name = "helpdesk::github::listeners::page_on_call"
)]
fn runs_elsewhere(_: &Alert) {}

#[cfg(unix)]
#[tokio::test]
async fn a_drain_that_is_told_to_stop_says_what_is_left() {
    // More than a pipe holds is not said yet when it is told, so that much has not run.
    const ALERTS: usize = 3_000;
    let address = sqlite("stopped.db");
    let store = Store::connect(&address).await.expect("a store");
    let events = Events::builder().only_linked_in(module_path!());
    let events = events.queue(store.queue()).build().expect("wired");
    let store = store.with_events(&events);
    let pushed = store.transaction(async |tx: &Tx| {
        for number in 0..ALERTS {
            tx.dispatch(&Alert {
                source: "dependabot_alert".to_owned(),
                action: format!("created-{number}"),
                severity: "high".to_owned(),
            })
            .await?;
        }
        Ok::<_, BoxError>(())
    });
    pushed.await.expect("they are pushed");

    let mut draining = Running::start(&["--store", &address, "work", "--drain"]);
    draining.hear(20);
    let pid = draining.child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.expect("kill").success());
    let (status, lines) = draining.end();
    assert!(status.success(), "{status}");
    let [pending, done, parked] = standing(&lines.join("\n"));
    assert!(pending > 0 && done > 0, "{pending}, {done}");
    assert_eq!(parked, 0);
    assert_eq!(standing(&drain(&address)), [0, ALERTS, 0]);
}
