//! The subcommands, as an app mounts them.

use chrono::TimeDelta;
use clap::Parser;
use events_std::cli::{Command, CommandError};
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::{Value, json};

use crate::desk::DeskBench;
use crate::kit::on_both;
use crate::server::CANARY;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

impl DeskBench {
    async fn run(&self, line: &str) -> (String, Result<(), CommandError>) {
        let words = std::iter::once("desk").chain(line.split_whitespace());
        let args = Args::try_parse_from(words).expect("a command");
        let mut output = Vec::new();
        let (store, events) = (&self.bench.store, &self.bench.events);
        let ended = args.command.run_to(store, events, &mut output).await;
        let output = String::from_utf8(output).expect("text");
        assert!(!output.contains(CANARY), "{output}");
        (output, ended)
    }

    async fn prints(&self, line: &str) -> String {
        let (output, ended) = self.run(line).await;
        ended.expect("it succeeds");
        output
    }

    async fn state(&self) -> Value {
        let line = format!("oauth status {} --json", self.integration.id);
        let told: Value = serde_json::from_str(&self.prints(&line).await).expect("JSON");
        told["authorizations"][0]["state"].clone()
    }
}

async fn authorizations_are_shown_refreshed_and_revoked(url: String) {
    let desk = DeskBench::new(url).await;
    desk.bench.integration().await;
    let id = desk.integration.id;
    assert_eq!(desk.state().await, "not_authorized");
    desk.has_tokens(3_600).await;
    assert_eq!(desk.state().await, "authorized");
    let text = desk.prints("oauth status").await;
    assert_eq!(text.lines().count(), 2, "only those with OAuth: {text}");
    for word in ["desk", "Support", "authorized", "in 60m", "yes"] {
        assert!(text.contains(word), "{text}");
    }
    desk.bench.clock.advance(TimeDelta::hours(2));
    assert_eq!(desk.state().await, "expired");
    let text = desk.prints(&format!("oauth refresh {id}")).await;
    assert_eq!(
        text,
        format!("the authorization of the integration {id} was refreshed\n")
    );
    assert_eq!(desk.state().await, "authorized");
    let told = desk.prints(&format!("oauth refresh {id} --json")).await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let at = desk.bench.events.now() + TimeDelta::hours(1);
    assert_eq!(
        told,
        json!({
            "id": id, "provider": "desk", "name": "Support", "state": "authorized",
            "expires_at": at, "refreshable": true, "credentials_error": null,
        })
    );
    let told = desk.prints(&format!("oauth revoke {id} --json")).await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["state"], "not_authorized");
    let asked = ["refresh_token", "refresh_token", "revoke"];
    assert_eq!(desk.server.asked(), asked);
    assert!(desk.bench.heard.names().ends_with(&["oauth.revoked"]));
}

/// What became of it, where the provider was not asked too.
async fn a_revocation_says_what_it_did(url: String) {
    let desk = DeskBench::new(url).await;
    let line = format!("oauth revoke {}", desk.integration.id);
    let nothing = desk.prints(&line).await;
    assert!(nothing.contains("nothing to revoke"), "{nothing}");
    desk.has_tokens(3_600).await;
    let revoked = desk.prints(&line).await;
    assert!(revoked.ends_with(" was revoked\n"), "{revoked}");
    assert_eq!(desk.prints(&line).await, nothing);
    assert_eq!(desk.server.asked(), ["revoke"]);
    desk.has_tokens(3_600).await;
    desk.rename("of no revocation").await;
    let alone = desk.prints(&line).await;
    assert!(alone.contains("here alone"), "{alone}");
    assert_eq!(desk.server.asked(), [""; 0]);
    assert_eq!(desk.state().await, "not_authorized");
}

async fn failures_are_told(url: String) {
    let desk = DeskBench::new(url).await;
    let other = desk.bench.integration().await;
    let (_, ended) = desk.run(&format!("oauth status {}", other.id)).await;
    assert!(ended.unwrap_err().to_string().contains("has no `OAuth`"));
    let (_, ended) = desk.run("oauth revoke 4711").await;
    assert!(ended.unwrap_err().to_string().contains("4711"));
    desk.has_tokens(3_600).await;
    desk.server.played.lock().unwrap().refresh = None;
    let line = format!("oauth refresh {}", desk.integration.id);
    let (_, ended) = desk.run(&line).await;
    assert!(matches!(ended, Err(CommandError::OAuth(_))));
    assert_eq!(desk.state().await, "needs_authorization");
}

/// One whose credentials cannot be decrypted hides no other.
async fn one_that_cannot_be_read_is_shown_as_such(url: String) {
    let desk = DeskBench::new(url).await;
    let spoiled = match desk.bench.store.backend() {
        DbBackend::Postgres => r"'\x00'",
        _ => "x'00'",
    };
    let spoil = format!("UPDATE events_integrations SET credentials = {spoiled}");
    let writer = desk.bench.store.writer();
    writer.execute_unprepared(&spoil).await.unwrap();
    assert_eq!(desk.state().await, "unreadable");
    let text = desk.prints("oauth status").await;
    assert!(
        text.contains("\n\nintegration 1: its credentials cannot be decrypted: "),
        "{text}"
    );
}

on_both!(
    one_that_cannot_be_read_is_shown_as_such,
    authorizations_are_shown_refreshed_and_revoked,
    a_revocation_says_what_it_did,
    failures_are_told,
);
