//! The subcommands, as an app mounts them.

use clap::Parser;
use events_std::cli::{Command, CommandError};
use serde_json::{Value, json};

use crate::hub::{Fate, HubBench};
use crate::kit::on_both;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

impl HubBench {
    async fn run(&self, line: &str) -> (String, Result<(), CommandError>) {
        let words = std::iter::once("hub").chain(line.split_whitespace());
        let args = Args::try_parse_from(words).expect("a command");
        let mut output = Vec::new();
        let (store, events) = (&self.bench.store, &self.bench.events);
        let ended = args.command.run_to(store, events, &mut output).await;
        (String::from_utf8(output).expect("text"), ended)
    }

    async fn prints(&self, line: &str) -> String {
        let (output, ended) = self.run(line).await;
        ended.expect("it succeeds");
        output
    }

    async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.prints(line).await).expect("JSON")
    }

    /// One delivery that was processed, and then one that failed.
    async fn two(&self) {
        self.send("d-1", "push", r#"{"ref":"main"}"#).await;
        self.work().await;
        self.hub.will([Fate::Fails; 3]);
        self.send("d-2", "ping", "\u{1b}[2J").await;
        for seconds in [0, 10, 60] {
            self.work_after(seconds).await;
        }
        self.hub.calls();
    }
}

async fn they_are_listed_and_shown(url: String) {
    let hub = HubBench::new(url).await;
    assert_eq!(hub.prints("webhooks list").await, "no webhooks\n");
    hub.two().await;
    let ids: Vec<i64> = hub.rows().await.iter().map(|row| row.id).collect();
    let text = hub.prints("webhooks list").await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, words) in lines.iter().zip([
        ["PROVIDER", "DELIVERY", "STATUS", "ERROR"],
        ["ping", "d-2", "failed", "not well"],
        ["push", "d-1", "processed", "hub"],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{text}");
    }
    let failed = hub.json("webhooks list --status failed --json").await;
    assert_eq!(failed["webhooks"][0]["provider_delivery_id"], "d-2");
    assert_eq!(failed["webhooks"][0]["attempts"], 3);
    assert_eq!(failed["next"], Value::Null);
    let first = hub.json("webhooks list --limit 1 --json").await;
    assert_eq!(first["next"], ids[0]);
    let rest = format!("webhooks list --before {} --json", ids[0]);
    assert_eq!(hub.json(&rest).await["webhooks"][0]["event_type"], "push");
    let pushed = hub.json("webhooks list --type push --json").await;
    assert_eq!(pushed["webhooks"][0]["id"], ids[1]);
    assert_eq!(pushed["webhooks"].as_array().unwrap().len(), 1);
    let none = hub.json("webhooks list --integration 99 --json").await;
    assert_eq!(none["webhooks"], json!([]));
    let shown = hub.json(&format!("webhooks show {} --json", ids[1])).await;
    assert_eq!(shown["payload"], r#"{"ref":"main"}"#);
    assert_eq!(shown["headers"]["x-hub-signature-256"], json!(["***"]));
    let text = hub.prints(&format!("webhooks show {}", ids[0])).await;
    assert!(text.contains("authorization: ***"), "{text}");
    assert!(
        text.contains("\\u{1b}[2J") && !text.contains('\u{1b}'),
        "{text}"
    );
    let (_, gone) = hub.run("webhooks show 99").await;
    assert_eq!(gone.unwrap_err().to_string(), "there is no webhook 99");
}

async fn they_are_replayed_and_recovered(url: String) {
    let hub = HubBench::new(url).await;
    hub.two().await;
    let ids: Vec<i64> = hub.rows().await.iter().map(|row| row.id).collect();
    let replay = format!("webhooks replay {}", ids[1]);
    assert_eq!(
        hub.prints(&replay).await,
        format!("webhook {} replayed\n", ids[1])
    );
    let told = hub.json(&format!("{replay} --json")).await;
    assert_eq!(told["status"], "success");
    assert_eq!(
        (&told["id"], &told["error"]),
        (&json!(ids[1]), &Value::Null)
    );
    assert_eq!(hub.hub.calls(), [("push", None), ("push", None)]);
    hub.hub.will([Fate::Fails]);
    let (output, failed) = hub.run(&format!("{replay} --json")).await;
    assert!(output.contains("\"failed\""), "{output}");
    let said = failed.unwrap_err().to_string();
    assert!(said.contains("the handler is not well"), "{said}");
    hub.hub.calls();
    let both = format!("webhooks recover {} {}", ids[0], ids[1]);
    let (output, refused) = hub.run(&both).await;
    assert_eq!(output, "1 webhook queued again\n");
    let said = refused.unwrap_err().to_string();
    assert!(
        said.contains(&format!("the webhook {} is processed", ids[1])),
        "{said}"
    );
    hub.work().await;
    assert_eq!(hub.hub.calls(), [("ping", Some(1))]);
    let (output, refused) = hub
        .run(&format!("webhooks recover {} 99 --json", ids[1]))
        .await;
    refused.unwrap_err();
    let told: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(told["recovered"], 0);
    assert_eq!(told["refused"][1], "there is no webhook 99");
    let none = hub.json("webhooks recover --all --json").await;
    assert_eq!(none, json!({"recovered": 0, "refused": []}));
    let line = "hub webhooks recover".split_whitespace();
    assert!(
        Args::try_parse_from(line).is_err(),
        "which ones must be said"
    );
}

on_both!(they_are_listed_and_shown, they_are_replayed_and_recovered);
