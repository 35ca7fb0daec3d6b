//! Two real programs of two versions share a store.

#[path = "../../tests/worker/kit.rs"]
mod kit;

use std::ops::RangeInclusive;
use std::process::{Child, Command, Stdio};

use chrono::{TimeDelta, Utc};
use events_std::Store;
use kit::{Base, number, on_every_database, states, until};

const OLD: &str = env!("CARGO_BIN_EXE_old");
const NEW: &str = env!("CARGO_BIN_EXE_new");

fn command(base: &Base, program: &str, days: u32, role: &str) -> Command {
    let mut command = Command::new(program);
    command.args([&base.url, &base.folder.display().to_string()]);
    command.args([&days.to_string(), role]);
    command
}

/// What a program prints that does its work and ends.
fn does(base: &Base, program: &str, role: &str) -> String {
    let output = command(base, program, 0, role).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A program that works until this value ends.
struct Works(Option<Child>);

impl Works {
    fn start(base: &Base, program: &str, days: u32) -> Self {
        let mut command = command(base, program, days, "work");
        Self(Some(
            command.stdin(Stdio::piped()).spawn().expect("it starts"),
        ))
    }

    /// Tells it to end, and waits until it has done so in order.
    fn end(mut self) {
        let mut child = self.0.take().expect("it is not told twice");
        drop(child.stdin.take());
        assert!(child.wait().expect("a status").success());
    }
}

impl Drop for Works {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Lets a program live on each of these days until it has looked for what nobody knows: only time in which some worker
/// lives counts.
async fn lives(base: &Base, store: &Store, program: &str, days: RangeInclusive<u32>) {
    for day in days {
        let begin = Utc::now() + TimeDelta::days(day.into());
        let looked = format!(
            "SELECT COUNT(*) FROM events_unknown WHERE name = '' AND seen_at >= {}",
            begin.timestamp_millis()
        );
        let works = Works::start(base, program, day);
        until("it has looked", async || number(store, &looked).await == 1).await;
        works.end();
    }
}

fn effects(base: &Base) -> Vec<String> {
    let text = std::fs::read_to_string(base.folder.join("effects")).unwrap();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}

/// How many lines have this beginning and this end.
fn count(lines: &[String], begin: &str, end: &str) -> usize {
    let mut found = lines.to_vec();
    found.retain(|line| line.starts_with(begin) && line.ends_with(end));
    found.dedup();
    found.len()
}

async fn parked(store: &Store, reason: &str) -> i64 {
    let parked = "SELECT COUNT(*) FROM events_jobs WHERE state = 3 AND reason";
    number(store, &format!("{parked} = '{reason}'")).await
}

#[test]
fn each_runs_what_it_knows_while_the_other_works_too() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        does(&base, OLD, "push");
        does(&base, NEW, "push");
        assert_eq!(states(&store).await, [50, 0, 0, 0]);
        // Receipts of the first version wait for each other, so that this ends only if both programs run some.
        let (old, new) = (Works::start(&base, OLD, 0), Works::start(&base, NEW, 0));
        until("all is done", async || {
            states(&store).await == [0, 0, 50, 0]
        })
        .await;
        old.end();
        new.end();
        let lines = effects(&base);
        assert_eq!(lines.len(), 50, "none runs twice: {lines:?}");
        let (by_old, by_new) = (
            count(&lines, "receipt ", "by old"),
            count(&lines, "receipt ", "in EUR by new"),
        );
        assert_eq!(by_old + by_new, 10, "{lines:?}");
        assert!(by_old > 0 && by_new > 0, "{lines:?}");
        for (begin, end) in [
            ("archive ", "by old"),
            ("fax ", "by old"),
            ("receipt ", "in CHF by new"),
            ("ledger ", "in CHF by new"),
        ] {
            assert_eq!(count(&lines, begin, end), 10, "{begin}{end}: {lines:?}");
        }
    });
}

#[test]
fn what_the_one_left_behind_is_shown_and_parked_after_seven_days_and_not_lost() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        // Nobody is there to meet.
        std::fs::write(base.folder.join("old is here"), "").unwrap();
        std::fs::write(base.folder.join("new is here"), "").unwrap();
        does(&base, OLD, "push");
        let new = Works::start(&base, NEW, 0);
        until("it has run what it knows", async || {
            states(&store).await == [20, 0, 10, 0]
        })
        .await;
        let shown = does(&base, NEW, "stats");
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let mut unclaimed: Vec<_> = shown["unclaimed"].as_array().unwrap().clone();
        unclaimed.sort_by_key(|group| group["listener"].to_string());
        let told = |field: &str| -> Vec<_> {
            let values = unclaimed.iter().map(|group| group[field].clone());
            values.collect()
        };
        assert_eq!(told("listener"), ["archive", "fax"]);
        assert_eq!(told("lack"), ["knowledge", "knowledge"]);
        assert_eq!(told("version"), [1, 1]);
        assert_eq!(told("count"), [10, 10]);
        assert_eq!(told("known_here"), [false, false]);
        new.end();

        // Six days later they still wait.
        lives(&base, &store, NEW, 1..=6).await;
        assert_eq!(states(&store).await, [20, 0, 10, 0]);

        lives(&base, &store, NEW, 7..=8).await;
        assert_eq!(states(&store).await, [0, 0, 10, 20]);
        assert_eq!(parked(&store, "unknown_event").await, 10);
        assert_eq!(parked(&store, "unknown_listener").await, 10);

        // Whoever knows them can still run them.
        assert_eq!(does(&base, OLD, "retry"), "20\n");
        let old = Works::start(&base, OLD, 0);
        until("all is done", async || {
            states(&store).await == [0, 0, 30, 0]
        })
        .await;
        old.end();
        let lines = effects(&base);
        assert_eq!(lines.len(), 30, "{lines:?}");
        assert_eq!(count(&lines, "archive ", "by old"), 10);
        assert_eq!(count(&lines, "fax ", "by old"), 10);

        // And where the old program alone is left, it is the new version that nobody knows.
        does(&base, NEW, "push");
        lives(&base, &store, OLD, 1..=9).await;
        assert_eq!(states(&store).await[3], 20);
        assert_eq!(parked(&store, "unknown_version").await, 20);
    });
}
