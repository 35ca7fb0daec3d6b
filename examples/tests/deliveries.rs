//! The main example with deliveries, as it is run from a shell.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helpdesk"))
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
fn what_a_subcommand_would_ignore_is_refused() {
    for ignored in ["--deliveries", "--json"] {
        let output = run(&[ignored, "--store", "sqlite::memory:", "migrate"]);
        let error = text(&output.stderr);
        assert!(!output.status.success());
        assert!(error.contains("before a subcommand"), "{error}");
    }
}

#[test]
fn without_a_file_it_reads_its_own_deliveries() {
    let output = run(&["--deliveries"]);
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    assert_eq!(
        printed.lines().last(),
        Some("deliveries: 9 read, 9 dispatched, 0 refused")
    );
    for row in [
        ["github.security_alert", "page_on_call", "3", "1"],
        ["github.pull_request", "move_on_board", "2", "1"],
        ["github.issue", "welcome", "1", "0"],
        ["webhook.received", "count_delivery", "9", "0"],
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
fn without_a_store_nothing_of_a_run_is_left() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nothing_left");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_helpdesk"))
        .arg("--deliveries")
        .env("TMPDIR", &folder)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    let left = fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(left, 0);
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
        Some("deliveries: 6 read, 3 dispatched, 3 refused")
    );
    let told: Vec<&str> = text(&output.stderr).lines().collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for (line, number) in told.iter().zip([2, 3, 5]) {
        assert!(
            line.starts_with(&format!("line {number} was refused: ")),
            "{line}"
        );
    }
    // What the route accepts and nobody understands is an event too.
    let printed = text(&output.stdout);
    let wanted = "set_aside          the body of a `push` has no `repository`";
    assert!(printed.contains(wanted), "{printed}");
}

#[test]
fn what_the_route_refuses_is_told_with_its_reason_and_the_rest_goes_on() {
    let large = format!(
        r#"{{"headers":{{"x-github-event":"push"}},"body":"[\"{}\"]"}}"#,
        "x".repeat(1024 * 1024)
    );
    let good = r#"{"headers":{"x-github-event":"ping"},"body":"{}"}"#;
    let path = file("large.jsonl", [&large, good].join("\n").as_bytes());
    let output = run(&["--deliveries", path.to_str().expect("a plain path")]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        text(&output.stdout).lines().last(),
        Some("deliveries: 2 read, 1 dispatched, 1 refused")
    );
    assert_eq!(
        text(&output.stderr),
        "line 1 was refused: 413 Payload Too Large: the body is larger than 1 MiB\n"
    );
}

#[test]
fn what_was_delivered_before_fires_nothing_again() {
    let store = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("delivered_twice.db");
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", store.display()));
    }
    let store = format!("sqlite:{}", store.display());
    for duplicates in [false, true] {
        let output = run(&["--store", &store, "--deliveries"]);
        assert!(output.status.success(), "{output:?}");
        let printed = text(&output.stdout);
        assert_eq!(
            printed.lines().last(),
            Some("deliveries: 9 read, 9 dispatched, 0 refused")
        );
        let told = printed.contains("delivered before, and so without events: 9");
        assert_eq!(told, duplicates, "{printed}");
        assert_eq!(printed.contains("github."), !duplicates, "{printed}");
    }
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
