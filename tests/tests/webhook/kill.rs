//! A process that is killed at any step of a delivery, and a sender that delivers again.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use events_core::SystemClock;
use events_std::{Worker, webhook};
use events_tests::Size;

use crate::hub::{Hub, HubBench, Sent, send, until};
use crate::kit::{Bench, on_both};

const URL: &str = "EVENTS_WEBHOOK_CHILD";

/// So often the process is killed: few times in a test, more with `EVENTS_FAULTS`.
fn kills() -> usize {
    match Size::of_run() {
        Size::Small => 6,
        Size::Ci => 40,
        Size::Long => 400,
    }
}

/// Each delivery is sent again in every later life of the process, and no life but the last ends well: one row, one announcement, one
/// processing that counts; nothing is lost, nothing is stuck.
async fn a_killed_process_loses_nothing(url: String) {
    let hub = HubBench::new(url).await;
    let kills = kills();
    for kill in 0..kills {
        // In turn before the request, behind the answer, and while the worker has the job.
        let step = ["sending", "answered", "handling"][kill % 3];
        // It sends nothing behind that: no life before the one that dies of it has seen it.
        live(&hub.bench.url, kill + 1, Some(&format!("{step} {kill}")));
    }
    live(&hub.bench.url, kills, None);
    let rows = hub.rows().await;
    assert_eq!(rows.len(), kills);
    for row in &rows {
        assert_eq!(row.status.to_string(), "processed", "{row:?}");
    }
    let jobs = |condition: &str| format!("events_jobs WHERE {condition}");
    assert_eq!(hub.bench.count(&jobs("state <> 2")).await, 0);
    let announced = i64::try_from(kills).unwrap();
    assert_eq!(hub.bench.count(&jobs("listener = '*'")).await, announced);
    assert_eq!(hub.bench.count(&jobs("listener <> '*'")).await, announced);
    let success = "events_operations WHERE operation = 'webhook' AND status = 'success'";
    assert_eq!(hub.bench.count(success).await, announced);
}

/// Lets a process live until it says this, and kills it then; or to its end.
fn live(url: &str, deliveries: usize, last_words: Option<&str>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env(URL, url)
        .env("EVENTS_WEBHOOK_DELIVERIES", deliveries.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let is_last = last_words.is_some_and(|words| line.ends_with(words));
        said.push(line);
        if is_last {
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        }
    }
    let ended = child.wait().unwrap();
    assert!(
        ended.success() && last_words.is_none(),
        "{last_words:?}: {said:#?}"
    );
}

/// Sends every delivery, while a worker runs what is there.
#[test]
#[ignore = "run by the test of processes that are killed"]
fn child() {
    let url = std::env::var(URL).expect("it is run by the test");
    let deliveries = std::env::var("EVENTS_WEBHOOK_DELIVERIES").expect("it is run by the test");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let hub = Hub {
            tells: true,
            ..Hub::default()
        };
        let bench = Bench::with(
            url,
            |engine| engine.provider(hub),
            |events| events.only_linked_in("events_std").clock(SystemClock),
        )
        .await;
        let router = webhook::routes(bench.engine.clone()).unwrap();
        let (events, store) = (bench.events.clone(), bench.store.clone());
        let worker = Worker::new(&events, &store).run_until(std::future::pending());
        let worker = tokio::spawn(worker);
        for number in 0..deliveries.parse().unwrap() {
            println!("sending {number}");
            let sent = Sent::new(&number.to_string(), "push", "{}");
            let (status, body) = send(&router, &sent).await;
            assert_eq!(status.as_u16(), 200, "{body}");
            println!("answered {number}");
        }
        until("all is done", async || {
            bench.count("events_jobs WHERE state < 2").await == 0
        })
        .await;
        worker.abort();
    });
}

on_both!(a_killed_process_loses_nothing);
