//! Workers of several processes at one token.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use events_core::ManualClock;
use events_std::Integrations;
use sea_orm::ConnectionTrait;

use crate::desk::{Desk, DeskBench};
use crate::kit::{Bench, on_both, on_postgres};
use crate::server::CANARY;

const URL: &str = "EVENTS_OAUTH_CHILD";
pub(crate) const WORKERS: usize = 10;

/// A process with ten workers, which wait for a word.
pub(crate) struct Workers {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Workers {
    /// Against this server, by the desk's clock.
    pub(crate) fn start(desk: &DeskBench, server: &str, root: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        if let Some(root) = root {
            command.env("EVENTS_OAUTH_ROOT", root);
        }
        let now = desk.bench.events.now().timestamp_millis();
        let mut child = command
            .args(["--exact", "processes::child", "--ignored", "--nocapture"])
            .env(URL, &desk.bench.url)
            .env("EVENTS_OAUTH_SERVER", server)
            .env("EVENTS_OAUTH_NOW", now.to_string())
            .env("EVENTS_OAUTH_INTEGRATION", desk.integration.id.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The rest of the next line that has this word.
    pub(crate) fn says(&mut self, word: &str) -> String {
        for line in &mut self.lines {
            let line = line.unwrap();
            if let Some((_, rest)) = line.split_once(word) {
                return rest.trim().to_owned();
            }
        }
        panic!("it ended before it said {word}");
    }

    pub(crate) fn go(&mut self) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(b"go\n").unwrap();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // One that has ended is no failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl DeskBench {
    /// Lets it be so many seconds longer that holders took their leases.
    async fn leases_age(&self, seconds: i64) {
        let age = format!(
            "UPDATE events_leases SET expires_at = expires_at - {}",
            seconds * 1_000
        );
        let writer = self.bench.store.writer();
        writer.execute_unprepared(&age).await.unwrap();
    }

    async fn until_asked(&self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.server.played.lock().unwrap().asked.is_empty() {
            assert!(Instant::now() < deadline, "nobody asked the server");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn fifty_workers_make_one_call(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    desk.server.close_gate();
    let mut processes: Vec<Workers> = (0..5)
        .map(|_| Workers::start(&desk, &desk.server.url, None))
        .collect();
    for process in &mut processes {
        process.says("ready");
    }
    for process in &mut processes {
        process.go();
    }
    for process in &mut processes {
        for _ in 0..WORKERS {
            process.says("asking");
        }
    }
    desk.until_asked().await;
    desk.server.open_gate();
    let mut tokens: Vec<String> = Vec::new();
    for process in &mut processes {
        tokens.extend((0..WORKERS).map(|_| process.says("token")));
    }
    assert_eq!(tokens.len(), 50);
    tokens.dedup();
    assert_eq!(tokens, [format!("access-1-{CANARY}")]);
    assert_eq!(desk.server.asked(), ["refresh_token"]);
}

/// Its lease lapses, and another takes over; what the dead one asked for is not written by anybody.
async fn a_refresher_that_is_killed_is_followed_by_another(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    desk.server.close_gate();
    let mut process = Workers::start(&desk, &desk.server.url, None);
    process.says("ready");
    process.go();
    desk.until_asked().await;
    drop(process);
    desk.server.asked();
    desk.server.open_gate();
    let id = desk.integration.id;
    let leases = "SELECT fence FROM events_leases";
    assert_eq!(desk.bench.column::<i64>(leases).await, [1]);
    desk.leases_age(120).await;
    // The server may have served the dead one, and rotated its token.
    let refresh = desk.credentials().await.refresh_token;
    desk.server.played.lock().unwrap().refresh = refresh;
    let token = desk.bench.engine.access_token(id).await.unwrap();
    assert!(token.secret() != format!("access-0-{CANARY}"));
    assert_eq!(desk.server.asked(), ["refresh_token"]);
    assert_eq!(desk.bench.column::<i64>(leases).await, [2]);
    assert_eq!(
        desk.credentials().await.access_token.unwrap(),
        token.secret()
    );
}

/// The same of machines whose clocks are far apart: Postgres's own clock tells who has lapsed.
#[test]
fn clocks_that_are_far_apart_end_no_lease() {
    on_postgres("clocks_that_are_far_apart_end_no_lease", async |url| {
        let desk = DeskBench::new(url.clone()).await;
        desk.has_tokens(60).await;
        desk.server.close_gate();
        let clock = ManualClock::new(desk.bench.events.now() + TimeDelta::minutes(10));
        let provider = Desk {
            url: desk.server.url.clone(),
            root: None,
        };
        let elsewhere = Bench::with(
            url,
            |engine| engine.provider(provider),
            |events| events.clock(clock),
        )
        .await;
        let id = desk.integration.id;
        let ask = |engine: Integrations| {
            tokio::spawn(async move { engine.access_token(id).await.unwrap() })
        };
        let one = ask(desk.bench.engine.clone());
        desk.until_asked().await;
        let other = ask(elsewhere.engine.clone());
        let looks = "pg_stat_activity WHERE datname = current_database() \
                     AND query LIKE 'SELECT fence, expires_at, outcome%'";
        let deadline = Instant::now() + Duration::from_mins(1);
        let calls = || desk.server.played.lock().unwrap().asked.len();
        while desk.bench.count(looks).await == 0 && calls() < 2 {
            assert!(Instant::now() < deadline, "nobody waits");
        }
        desk.server.open_gate();
        assert_eq!(one.await.unwrap(), other.await.unwrap());
        assert_eq!(desk.server.asked(), ["refresh_token"]);
    });
}

#[test]
#[ignore = "run by the tests of several processes"]
fn child() {
    let of = |name: &str| std::env::var(name).expect("it is run by a test");
    let id: i64 = of("EVENTS_OAUTH_INTEGRATION").parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let desk = Desk {
            url: of("EVENTS_OAUTH_SERVER"),
            root: std::env::var("EVENTS_OAUTH_ROOT").ok(),
        };
        let now = of("EVENTS_OAUTH_NOW").parse().unwrap();
        let now = DateTime::from_timestamp_millis(now).unwrap();
        let bench = Bench::with(
            of(URL),
            |engine| engine.provider(desk),
            |events| events.clock(ManualClock::new(now)),
        )
        .await;
        println!("\nready");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                let engine = bench.engine.clone();
                tokio::spawn(async move {
                    println!("asking");
                    let token = engine.access_token(id).await.unwrap();
                    println!("token {}", token.secret());
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
    });
}

on_both!(
    fifty_workers_make_one_call,
    a_refresher_that_is_killed_is_followed_by_another,
);
