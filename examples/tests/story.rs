//! The main example without deliveries: the story, as it is run from a shell.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use sea_orm::{ConnectionTrait, Database};
use serde_json::Value;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helpdesk"))
        .args(args)
        .output()
        .expect("the program starts")
}

fn printed(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// How often each event fires, whatever the store.
fn expected() -> Value {
    serde_json::from_str(include_str!("story.json")).expect("JSON")
}

fn table(args: &[&str]) -> Value {
    serde_json::from_str(&printed(args)).expect("nothing but JSON")
}

/// The lines of the timeline, without their times.
fn told(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| line.len() > 10);
    lines
        .map(|line| line[10..].split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn all_fourteen_events_fire_and_its_table_tells_how_often() {
    let table = table(&["--json"]);
    assert_eq!(table, expected());
    let counts = table.as_object().expect("an object");
    assert_eq!(counts.len(), 14);
    assert!(counts.values().all(|count| *count != 0), "{table}");
}

#[test]
fn it_tells_what_happens_in_its_order() {
    let printed = printed(&[]);
    let told = told(&printed);
    let mut lines = told.iter();
    for wanted in [
        "integration.created `Support` of zendesk",
        "oauth.completed `Support` is authorized",
        "sync.completed 300 tickets: 298 done, 2 failed",
        "operator skips ticket 34",
        "sync.completed 4 tickets: 4 done, 0 failed",
        "integration.health_changed healthy -> degraded",
        "integration.health_changed degraded -> healthy",
        "integration.health_changed failing -> disabled",
        "scheduler nothing is due",
        "helpdesk has 303 tickets, 0 solved",
        "zendesk ticket 305 is solved: queued",
        "zendesk ticket 1 is solved, once more: duplicate",
        "somebody a forged signature: 403 Forbidden: the delivery is not verified",
        "somebody a body of 2 MiB: 413 Payload Too Large: the body is larger than 1 MiB",
        "operator replays hook-305: success",
        "helpdesk has 304 tickets, 4 solved",
        "oauth.revoked `Support` has no token any more",
    ] {
        assert!(
            lines.any(|line| line == wanted),
            "`{wanted}` is not there, or not at its place, in:\n{printed}"
        );
    }
    // Jobs run beside each other: what is told of them has no order.
    for wanted in [
        "sync.item_failed ticket 21, exhausted: the group `billing` is not known here",
        "integration.disabled after 6 failures in a row; only an operator enables it again",
        "operation.failed comment: PUT /api/v2/tickets/",
        "page_on_call attempt 1: the line is busy",
        "page_on_call on call is paged: `Support` is disabled",
        "webhook.received zen:event-type:ticket.status_changed, delivery hook-305",
        "helpdesk ticket 1 is SOLVED",
        "helpdesk ticket 305 is not known here yet",
        "helpdesk ticket 305 is SOLVED",
    ] {
        assert!(
            told.iter().any(|line| line.starts_with(wanted)),
            "{wanted}: {printed}"
        );
    }
    for (name, count) in expected().as_object().expect("an object") {
        let row = format!("{name:<28} {:>5}", count.as_u64().expect("a number"));
        assert!(printed.lines().any(|line| line == row), "{row}: {printed}");
    }
    assert!(
        !printed.contains("of the story"),
        "a secret is told: {printed}"
    );
}

#[test]
fn in_a_store_that_is_kept_it_can_be_played_again() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("story.db");
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    let store = format!("sqlite:{}", path.display());
    for _ in 0..2 {
        assert_eq!(table(&["--store", &store, "--json"]), expected());
    }
    // No job is left over, and an operator of the same program can look.
    let stats = table(&["--store", &store, "queue", "stats", "--json"]);
    for queue in stats["queues"].as_array().expect("a list") {
        let left = [&queue["waiting"], &queue["running"], &queue["parked"]];
        assert_eq!(left, [0, 0, 0], "{stats}");
        assert!(queue["done"].as_u64() > Some(0), "{stats}");
    }
}

/// Whose store has one connection, for which all wait.
#[test]
fn so_it_is_in_memory() {
    assert_eq!(table(&["--store", "sqlite::memory:", "--json"]), expected());
}

#[test]
fn so_it_is_on_postgres() {
    let Ok(server) = std::env::var("EVENTS_TEST_POSTGRES_URL") else {
        return events_tests::skip("on Postgres: EVENTS_TEST_POSTGRES_URL is not set");
    };
    let name = format!("events_story_{}", std::process::id());
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
    let played = run(&["--store", &format!("{address}/{name}"), "--json"]);
    administer(format!("DROP DATABASE {name} WITH (FORCE)"));
    assert!(played.status.success(), "{played:?}");
    let table: Value = serde_json::from_slice(&played.stdout).expect("nothing but JSON");
    assert_eq!(table, expected());
}
