//! A server that is killed at each of its system calls that write, while it receives, announces and processes one
//! delivery; and a sender that delivers again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use events_core::{Delivery, State, SystemClock, listener};
use events_std::{NewIntegration, WebhookReceived, Worker, webhook};
use events_tests::Effects;
use events_tests::calls::{self, Calls, Scenario, kill_at_every_call, strace_is_here};
use sea_orm::ConnectionTrait;
use tokio::net::TcpListener;

use crate::hub::{Hub, HubCredentials, SECRET, Sent, duplicate, over, queued, send, until};
use crate::kit::{Bench, Folder, on_both};

#[listener(WebhookReceived, handle = HEARS)]
async fn hears(event: &WebhookReceived, delivery: Delivery, effects: &State<Effects>) {
    let id = &event.provider_delivery_id;
    effects.write(&format!("announced {id} {}", delivery.id));
}

async fn bench(url: &str, folder: &Path) -> Bench {
    let hub = Hub {
        effects: Some(Arc::new(Effects::of(folder))),
        ..Hub::default()
    };
    Bench::with(
        url.to_owned(),
        |engine| engine.provider(hub),
        |events| {
            events
                .only_linked_in("events_std")
                .clock(SystemClock)
                .state(Effects::of(folder))
                .register(HEARS)
        },
    )
    .await
}

const RECEIVED: &str = "(SELECT id FROM events_webhooks) AS received";
const UNDONE: &str = "events_jobs WHERE state <> 2";

/// The program that dies: it serves until one delivery is received and all its jobs are done.
async fn serve(url: &str, folder: &Path) {
    let bench = bench(url, folder).await;
    let router = webhook::routes(bench.engine.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistens {}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let all_done = until("the delivery is received and processed", async || {
        bench.count(RECEIVED).await == 1 && bench.count(UNDONE).await == 0
    });
    let worker = Worker::new(&bench.events, &bench.store);
    worker.run_until(all_done).await.unwrap();
    bench.store.close().await.unwrap();
}

/// The other role: not a test, unless the variables say so. On one thread, so that calls have one count.
#[test]
fn scenario() {
    let Some((url, folder)) = Scenario::of_process() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(serve(&url, &folder));
}

/// An empty database with one integration, and an empty folder.
async fn ready(url: &str, folder: &Path, name: &str) -> Scenario {
    let folder = folder.join(name);
    std::fs::create_dir(&folder).unwrap();
    let url = if url.starts_with("sqlite:") {
        format!("sqlite:{}", folder.join("test.db").display())
    } else {
        let database = sea_orm::Database::connect(url).await.unwrap();
        let emptied = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        database.execute_unprepared(emptied).await.unwrap();
        database.close().await.unwrap();
        url.to_owned()
    };
    let bench = bench(&url, &folder).await;
    let new = NewIntegration::of::<Hub>("Octo").credentials(HubCredentials {
        secret: SECRET.to_owned(),
    });
    bench.engine.create(new.unwrap()).await.unwrap();
    bench.store.close().await.unwrap();
    Scenario {
        role: "strace::scenario",
        url,
        folder,
    }
}

/// Runs the server, delivers to it if it comes so far, and delivers again to the next.
async fn play(scenario: &Scenario, mut command: Command, point: &str) -> Output {
    let mut child = command.spawn().expect("strace");
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut address) = (String::new(), None);
    while address.is_none() && said.read_line(&mut line).unwrap() > 0 {
        address = line.trim().strip_prefix("listens ").map(str::to_owned);
        line.clear();
    }
    let sent = Sent::new("d-1", "push", r#"{"ref":"main"}"#);
    let answer = match address {
        Some(address) => {
            let address: SocketAddr = address.parse().unwrap();
            over(address, &sent).await.unwrap_or_default()
        }
        None => String::new(),
    };
    let mut rest = Vec::new();
    said.read_to_end(&mut rest).unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stdout = rest;
    check(scenario, &sent, &answer, point).await;
    output
}

/// What must hold after the sender delivered again, wherever the first server died.
async fn check(scenario: &Scenario, sent: &Sent, answer: &str, point: &str) {
    let bench = bench(&scenario.url, &scenario.folder).await;
    let router = webhook::routes(bench.engine.clone()).unwrap();
    let again = send(&router, sent).await;
    let is_new = again == queued();
    assert!(is_new || again == duplicate(), "{point}: {again:?}");
    // What the sender was told is true.
    assert!(
        answer.is_empty() || (answer.ends_with(r#"{"status":"queued"}"#) && !is_new),
        "{point}: {answer} and then {again:?}"
    );
    let what = format!("{point}: all is done");
    let done = until(&what, async || {
        let alone = bench.count("events_workers").await == 1;
        alone && bench.count(UNDONE).await == 0
    });
    let worker = Worker::new(&bench.events, &bench.store);
    worker.run_until(done).await.unwrap();
    for (rows, number) in [
        ("events_webhooks", 1),
        ("events_webhooks WHERE status = 'processed'", 1),
        ("events_jobs", 2),
        ("events_jobs WHERE listener = '*'", 1),
        (
            "events_operations WHERE operation = 'webhook' AND status = 'success'",
            1,
        ),
        ("events_operations", 1),
    ] {
        assert_eq!(bench.count(rows).await, number, "{point}: {rows}");
    }
    let lines = Effects::of(&scenario.folder).lines();
    let announced = lines.iter().filter(|line| line.starts_with("announced "));
    let ids: BTreeSet<&String> = announced.collect();
    assert_eq!(ids.len(), 1, "{point}: under one delivery: {lines:?}");
    assert!(
        lines.iter().any(|line| line == "handled d-1"),
        "{point}: {lines:?}"
    );
    if scenario.url.starts_with("sqlite:") {
        let sound = "pragma_integrity_check WHERE integrity_check = 'ok'";
        assert_eq!(bench.count(sound).await, 1, "{point}: the file is damaged");
    }
    bench.store.close().await.unwrap();
}

async fn a_death_at_any_call_that_writes_loses_no_delivery(url: String) {
    if !strace_is_here() {
        return;
    }
    let folder = Folder::new();
    let kinds: Vec<Calls> = if url.starts_with("sqlite:") {
        // The answer is sent too.
        calls::SQLITE
            .iter()
            .copied()
            .chain([calls::SENDS])
            .collect()
    } else {
        calls::POSTGRES.to_vec()
    };
    let ready = async |name: &str| ready(&url, &folder.0, name).await;
    kill_at_every_call(&kinds, ready, play).await;
}

on_both!(a_death_at_any_call_that_writes_loses_no_delivery);
