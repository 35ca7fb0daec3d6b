//! The main example, as it is run from a shell.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deliveries"))
        .args(args)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).expect("the test's own folder can be written");
    path
}

#[test]
fn without_arguments_it_reads_its_own_deliveries() {
    let output = run(&[]);
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    assert_eq!(
        printed.lines().last(),
        Some("deliveries: 9 read, 9 dispatched, 0 refused")
    );
    for row in [
        ["github.security_alert", "page_on_call", "4", "3"],
        ["github.pull_request", "move_on_board", "2", "1"],
        ["github.issue", "welcome", "1", "0"],
    ] {
        assert!(
            printed
                .lines()
                .any(|line| line.split_whitespace().collect::<Vec<_>>() == row),
            "{row:?} is not in:\n{printed}"
        );
    }
}

#[test]
fn a_malformed_line_is_refused_with_its_number_and_the_rest_goes_on() {
    let good = r#"{"headers":{"x-github-event":"ping"},"body":"{}"}"#;
    let lines = [
        good,
        "not json",
        r#"{"headers":{},"body":"{}"}"#,
        "",
        r#"{"headers":{"x-github-event":"push"},"body":"{"}"#,
        r#"{"headers":{"x-github-event":"push"},"body":"{}"}"#,
        good,
    ];
    let path = file("malformed.jsonl", lines.join("\n").as_bytes());
    let output = run(&["--deliveries", path.to_str().expect("a plain path")]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        text(&output.stdout).lines().last(),
        Some("deliveries: 6 read, 2 dispatched, 4 refused")
    );
    let told: Vec<&str> = text(&output.stderr).lines().collect();
    assert_eq!(told.len(), 4, "{told:?}");
    for (line, number) in told.iter().zip([2, 3, 5, 6]) {
        assert!(
            line.starts_with(&format!("line {number} was refused: ")),
            "{line}"
        );
    }
    assert!(
        told[3].ends_with("the body of a `push` has no `repository`"),
        "{}",
        told[3]
    );
}

#[test]
fn a_line_that_is_not_text_is_refused_too() {
    let mut bytes = b"{\"headers\":{\"x-github-event\":\"ping\"},\"body\":\"{}\"}\n".to_vec();
    bytes.extend([0xff, 0xfe, b'\n']);
    bytes.extend(b"{\"headers\":{\"x-github-event\":\"ping\"},\"body\":\"{}\"}\n".to_vec());
    let path = file("binary.jsonl", &bytes);
    let output = run(&["--deliveries", path.to_str().expect("a plain path")]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        text(&output.stdout).lines().last(),
        Some("deliveries: 3 read, 2 dispatched, 1 refused")
    );
}

/// A SQLite file that is not there yet.
fn store(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    format!("sqlite:{}", path.display())
}

#[test]
fn with_a_store_the_jobs_are_rows_and_end_the_same_way() {
    let store = store("with_a_store.db");
    let output = run(&["--store", &store]);
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    assert_eq!(
        printed.lines().last(),
        Some("deliveries: 9 read, 9 dispatched, 0 refused")
    );
    // The jobs run beside each other: which of them meets the busy pager first is not settled.
    assert!(
        printed.contains("paged about dependabot_alert, created"),
        "{printed}"
    );
    assert!(printed.contains("nobody was paged: exhausted"), "{printed}");
    let failed = run(&["--store", &store, "failed", "list"]);
    assert!(failed.status.success(), "{failed:?}");
    assert!(
        text(&failed.stdout).contains("the pager is busy"),
        "{failed:?}"
    );
}

#[test]
fn what_a_killed_process_dispatched_is_run_by_the_next() {
    let store = store("killed.db");
    let alert = r#"{"headers":{"x-github-event":"dependabot_alert"},"body":"{\"action\":\"created\",\"alert\":{\"severity\":\"high\"}}"}"#;
    let input = vec![alert; 5_000].join("\n");
    let path = file("many.jsonl", input.as_bytes());
    let mut running = Command::new(env!("CARGO_BIN_EXE_deliveries"))
        .args([
            "--store",
            &store,
            "--deliveries",
            path.to_str().expect("a plain path"),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // Each dispatched delivery prints a line when its jobs are written.
    let lines = BufReader::new(running.stdout.take().expect("it is piped")).lines();
    let heard = lines.take(300).count();
    assert_eq!(heard, 300, "the program ended early");
    running.kill().expect("it runs");
    running.wait().expect("it ends");

    let drained = run(&["--store", &store, "work", "--drain"]);
    assert!(drained.status.success(), "{drained:?}");
    let last = text(&drained.stdout)
        .lines()
        .last()
        .expect("a last line")
        .to_owned();
    let done = last
        .strip_prefix("jobs: 0 pending, ")
        .and_then(|rest| rest.strip_suffix(" done, 0 parked"))
        .unwrap_or_else(|| panic!("{last}"));
    assert!(done.parse::<usize>().expect("a number") >= heard, "{last}");
}

#[test]
fn an_operators_command_needs_a_store() {
    let output = run(&["queue", "stats"]);
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("--store sqlite:FILE"),
        "{output:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let output = run(&["--deliveries", "no/such/file.jsonl"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).starts_with("error: cannot read no/such/file.jsonl: "));
    let folder = run(&["--deliveries", env!("CARGO_TARGET_TMPDIR")]);
    assert!(!folder.status.success());
    assert!(text(&folder.stderr).contains("cannot read"), "{folder:?}");
    assert!(!text(&folder.stdout).contains("deliveries:"));
}
