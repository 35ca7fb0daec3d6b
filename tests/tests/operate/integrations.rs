//! The subcommands of integrations, their runs and their items.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use events_core::{Event, Events, ManualClock, listener};
use events_std::cli::CommandError;
use events_std::{
    CheckFailure, EncryptionKey, FailureClass, HealthCheck, HealthThresholds, Integration,
    Integrations, NewIntegration, NoMetadata, Provider, ScheduledSync, SyncError, SyncItemEvent,
    SyncSession, provider,
};
use sea_orm::DbBackend;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::command::parse;
use crate::kit::{Shop, on_every_database};

const SECRET: &str = "canary-51ab";

/// Why credentials cannot be decrypted that are none.
const WRONG: &str = "the stored credentials are not in a form that this program knows";

#[derive(Serialize, Deserialize)]
struct StockCredentials {
    token: String,
}

/// A provider whose integration tells by its name what it does.
#[derive(Default)]
struct Stock;

#[provider(ScheduledSync, HealthCheck)]
impl Provider for Stock {
    const KEY: &'static str = "stock";
    const NAME: &'static str = "Stock";
    type Credentials = StockCredentials;
    type Metadata = NoMetadata;
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "stock.part.synced", extends(SyncItemEvent))]
struct PartSynced {
    part: u64,
}

impl ScheduledSync for Stock {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_mins(15))
    }

    async fn sync(
        &self,
        integration: &Integration,
        session: &mut SyncSession,
    ) -> Result<(), SyncError> {
        if integration.name == "away" {
            return Err(SyncError::message("the stock is\u{1b} away"));
        }
        for part in 1..=3 {
            let item = session.item().external_id(part).checkpoint(part);
            item.dispatch(PartSynced { part }).await?;
        }
        Ok(())
    }
}

impl HealthCheck for Stock {
    async fn check(&self, integration: &Integration) -> Result<(), CheckFailure> {
        match &*integration.name {
            "away" => Err(CheckFailure::upstream("503")),
            _ => Ok(()),
        }
    }
}

/// Part 2 is refused, as a queue would be: at once, so that no test waits for attempts.
#[listener(PartSynced)]
async fn count(event: &PartSynced) -> Result<(), String> {
    match event.part {
        2 => Err(format!("part {} is not known\nto us", event.part)),
        _ => Ok(()),
    }
}

/// An application with integrations.
struct Office {
    shop: Shop,
    events: Events,
    clock: Arc<ManualClock>,
    integrations: Integrations,
}

impl Office {
    async fn open(shop: Shop) -> Self {
        let quick = HealthThresholds {
            degraded_after: 1,
            ..HealthThresholds::default()
        };
        let engine = Integrations::builder(&shop.store)
            .encryption_key(EncryptionKey::from_bytes([1; 32]))
            .health(quick)
            .build()
            .expect("an engine");
        let clock = Arc::new(ManualClock::default());
        let events = Events::builder()
            .only_linked_in(module_path!())
            .clock(clock.clone())
            .state(engine.clone())
            .queue(shop.store.queue())
            .build()
            .expect("it is wired");
        let integrations = engine.with_events(&events);
        for (name, owner) in [("parts", "7"), ("away", "8")] {
            let new = NewIntegration::of::<Stock>(name)
                .owner("team", owner)
                .credentials(StockCredentials {
                    token: SECRET.to_owned(),
                });
            integrations
                .create(new.unwrap())
                .await
                .expect("it is stored");
        }
        Self {
            shop,
            events,
            clock,
            integrations,
        }
    }

    async fn run(&self, line: &str) -> (String, Result<(), CommandError>) {
        let mut output = Vec::new();
        let command = parse(line).expect("a command");
        let ended = command
            .run_to(&self.shop.store, &self.events, &mut output)
            .await;
        let output = String::from_utf8(output).expect("text");
        assert!(
            !output.contains(SECRET) && !output.contains('\u{1b}'),
            "{output}"
        );
        (output, ended)
    }

    async fn prints(&self, line: &str) -> String {
        let (output, ended) = self.run(line).await;
        ended.expect(line);
        output
    }

    async fn fails(&self, line: &str) -> String {
        let (_, ended) = self.run(line).await;
        ended.expect_err(line).to_string()
    }

    async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.prints(line).await).expect("JSON")
    }

    /// Runs a command while the time passes, for retries.
    async fn prints_in_time(&self, line: &str) -> String {
        let hurry = async {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                self.clock.advance(TimeDelta::seconds(30));
            }
        };
        tokio::select! {
            printed = self.prints(line) => printed,
            () = hurry => unreachable!("it never ends"),
        }
    }
}

#[test]
fn what_could_mean_too_much_is_refused() {
    for line in [
        "integrations list --health well",
        "integrations list --owner team",
        "integrations show",
        "integrations health --check",
        "sync run",
        "items retry",
        "items skip one",
        "items reclaim",
    ] {
        let refused = parse(line).expect_err(line);
        assert!(refused.starts_with("error:"), "{line}: {refused}");
    }
}

#[test]
fn a_program_without_integrations_is_told_what_is_missing() {
    on_every_database(async |shop: Shop| {
        for line in ["integrations list", "sync due", "items failed"] {
            let (_, ended) = shop.run(line).await;
            let error = ended.expect_err(line).to_string();
            assert!(error.contains(".state(..)"), "{error}");
        }
    });
}

#[test]
fn integrations_are_listed_and_shown_without_their_secrets() {
    on_every_database(async |shop: Shop| {
        let office = Office::open(shop).await;
        office.integrations.mark_synced(1).await.unwrap();
        office.clock.advance(TimeDelta::minutes(5));
        assert_eq!(
            office.prints("integrations list").await,
            "\
ID  PROVIDER  NAME   OWNER   ACTIVE  HEALTH   SYNCED
 1  stock     parts  team/7  yes     healthy      5m
 2  stock     away   team/8  yes     healthy       -
"
        );
        let paged = office.prints("integrations list --limit 1").await;
        assert!(paged.ends_with("\nmore: --after 1\n"), "{paged}");
        let none = office.prints("integrations list --health failing").await;
        assert_eq!(none, "no integrations\n");
        let owned = office.json("integrations list --owner team/8 --json").await;
        assert_eq!(owned.as_array().map(Vec::len), Some(1));
        assert_eq!(owned[0]["name"], "away");

        let text = office.prints("integrations show 1").await;
        for part in [
            "integration 1\n",
            "\n  name         parts\n",
            "\n  health       healthy, 0 failures in a row\n",
            "\n  credentials  stored\n",
            "\n  syncs        every 15m, 0 runs with failures in a row\n",
            "\n  owner        team/7\n",
            "\n  synced       2026-01-01 00:00:00 UTC, 5m ago\n",
            "\n  next sync    2026-01-01 00:15:00 UTC\n",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        let shown = office.json("integrations show 2 --json").await;
        assert_eq!(shown["has_credentials"], true);
        assert_eq!(shown["sync_interval_seconds"], 900);
        assert_eq!(shown.get("credentials"), None);
        assert_eq!(
            office.fails("integrations show 9").await,
            "there is no integration 9"
        );
    });
}

#[test]
fn one_whose_credentials_cannot_be_decrypted_is_listed_with_the_reason() {
    on_every_database(async |shop: Shop| {
        let office = Office::open(shop).await;
        office
            .shop
            .execute("UPDATE events_integrations SET credentials = NULL WHERE id = 1")
            .await;
        let spoiled = match office.shop.store.backend() {
            DbBackend::Postgres => r"'\x00'",
            _ => "x'00'",
        };
        office
            .shop
            .execute(&format!(
                "UPDATE events_integrations SET credentials = {spoiled} WHERE id = 2"
            ))
            .await;
        let below = format!("\n\nintegration 2: its credentials cannot be decrypted: {WRONG}\n");
        for line in [
            "integrations list",
            "integrations health",
            "integrations health 2",
        ] {
            let text = office.prints(line).await;
            assert!(text.ends_with(&below), "{line}: {text}");
            let json = office.json(&format!("{line} --json")).await;
            let bad = json.as_array().unwrap().iter().find(|one| one["id"] == 2);
            assert_eq!(bad.unwrap()["credentials_error"], WRONG);
        }
        let text = office.prints("integrations show 2").await;
        let shown = format!("\n  credentials  cannot be decrypted: {WRONG}\n");
        assert!(text.contains(&shown), "{text}");
        assert_eq!(
            office.json("integrations show 2 --json").await["has_credentials"],
            true
        );
        assert_eq!(
            office.json("integrations show 1 --json").await["credentials_error"],
            Value::Null
        );
        assert_eq!(office.prints("sync due").await.lines().count(), 3);
        for line in ["integrations health 2 --check", "sync run 2"] {
            assert!(office.fails(line).await.contains(WRONG), "{line}");
        }
    });
}

#[test]
fn health_is_shown_with_the_troubled_first_and_checked_on_demand() {
    on_every_database(async |shop: Shop| {
        let office = Office::open(shop).await;
        let failure = office
            .integrations
            .record_failure(2, FailureClass::Upstream);
        failure.await.unwrap();
        assert_eq!(
            office.prints("integrations health").await,
            "\
ID  PROVIDER  NAME   ACTIVE  HEALTH    FAILURES  LAST FAILED
 2  stock     away   yes     degraded         1           0s
 1  stock     parts  yes     healthy          0            -
"
        );
        let text = office.prints("integrations health 1 --check").await;
        assert!(
            text.ends_with("\nits provider says that it works\n"),
            "{text}"
        );
        // A monitor that runs it sees that it failed.
        let said = office.fails("integrations health 2 --check").await;
        assert_eq!(said, "its provider says: upstream: 503");
        let shown = office.json("integrations health 2 --json").await;
        assert_eq!(shown[0]["consecutive_failures"], 2, "it was recorded");
        let (checked, ended) = office.run("integrations health 2 --check --json").await;
        let checked: Value = serde_json::from_str(&checked).unwrap();
        assert_eq!(checked[0]["checked"], json!({ "Err": "upstream: 503" }));
        assert!(matches!(ended, Err(CommandError::NotWell(_))));
    });
}

#[test]
fn a_sync_whose_provider_failed_says_so_afterwards() {
    on_every_database(async |shop: Shop| {
        let office = Office::open(shop).await;
        office.fails("sync run 2").await;
        let text = office.prints("sync status").await;
        let row = text.lines().nth(1).unwrap();
        assert!(row.contains("away") && row.contains("failed"), "{text}");
        assert!(
            text.ends_with("\n\nrun 1: the stock is\\u{1b} away\n"),
            "{text}"
        );
        let status = office.json("sync status 2 --json").await;
        assert_eq!(status[0]["error"], "the stock is\u{1b} away");
        assert_eq!(status[0]["estimate_seconds"], 0.0);
        assert_eq!(status[0]["items_per_second"], 0.0);

        let line = "operations list --integration 2 --operation sync --status failed --limit 1";
        let text = office.prints(line).await;
        for part in [
            "sync",
            "failed",
            "the stock is\\u{1b} away",
            "\nmore: --before 1\n",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        let listed = office.json(&format!("{line} --json")).await;
        assert_eq!(listed[0]["error"], "the stock is\u{1b} away");
        assert_eq!(
            office.prints(&format!("{line} --before 1")).await,
            "no operations\n"
        );
    });
}

#[test]
fn a_sync_is_run_followed_and_its_failed_items_are_decided_about() {
    on_every_database(async |shop: Shop| {
        let office = Office::open(shop).await;
        let due = office.prints("sync due").await;
        assert_eq!(due.lines().count(), 3, "{due}");
        assert_eq!(
            office.prints("sync status").await,
            "nothing was synced yet\n"
        );

        let printed = office.prints_in_time("sync run 1").await;
        let last: Vec<_> = printed.lines().rev().take(2).collect();
        assert_eq!(
            last,
            [
                "see `items failed --run 1`",
                "run 1 is closed: 3 found, 2 done, 1 failed"
            ]
        );
        let status = office.json("sync status 1 --json").await;
        assert_eq!(
            (
                &status[0]["state"],
                &status[0]["failed"],
                &status[0]["done"]
            ),
            (&json!("closed"), &json!(1), &json!(2))
        );
        let due = office.json("sync due --json").await;
        assert_eq!(due[0]["id"], 2, "never synced: {due}");

        let failed = office.prints("items failed").await;
        for part in [
            "1 failed item\n",
            "ITEM  INTEGRATION  RUN  EVENT              EXTERNAL ID  ATTEMPTS  SINCE  ERROR\n",
            "stock.part.synced  2                   5",
            "part 2 is not known..\n",
        ] {
            assert!(failed.contains(part), "{part:?} in\n{failed}");
        }
        let listed = office.json("items failed --integration 1 --json").await;
        assert_eq!(listed[0]["checkpoint"], 2);
        assert_eq!(listed[0].get("payload"), None);
        let item = listed[0]["id"].as_i64().unwrap();
        assert_eq!(
            office.prints("items failed --run 9").await,
            "0 failed items\n"
        );

        let retried = office.prints(&format!("items retry {item}")).await;
        assert_eq!(retried, format!("item {item} is pending\n"));
        assert_eq!(office.prints("items failed").await, "0 failed items\n");
        // It fails again: `work` runs items too.
        office.prints_in_time("work --drain").await;
        let (printed, ended) = office.run(&format!("items skip {item} 99 --json")).await;
        assert_eq!(ended.unwrap_err().to_string(), "there is no sync item 99");
        let decided: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(
            decided,
            json!([
                { "id": item, "status": "skipped" },
                { "id": 99, "refused": "there is no sync item 99" }
            ])
        );
        let cursor = office.json("integrations show 1 --json").await;
        assert_eq!(cursor["sync_cursor"], 3, "the skip let it move");
    });
}

#[test]
fn a_sync_that_is_not_run_says_why() {
    on_every_database(async |shop: Shop| {
        let office = Office::open(shop).await;
        assert_eq!(
            office.fails("sync run 9").await,
            "there is no integration 9"
        );
        let error = office.fails("sync run 2").await;
        assert_eq!(
            error,
            "not synced: the provider failed: the stock is\\u{1b} away"
        );
        let standing = office.json("sync run 1 --detach --json").await;
        assert_eq!(
            (&standing["state"], &standing["enumerated"]),
            (&json!("open"), &json!(3))
        );
        let error = office.fails("sync run 1").await;
        assert!(
            error.starts_with("not synced: its run 2 is open still"),
            "{error}"
        );
        let status = office.prints("sync status").await;
        assert!(status.contains(" open "), "{status}");
        office.integrations.disable(1).await.unwrap();
        assert_eq!(
            office.fails("sync run 1").await,
            "not synced: it is switched off"
        );
    });
}

#[test]
fn items_that_hang_are_listed_and_reclaimed() {
    on_every_database(async |shop: Shop| {
        let office = Office::open(shop).await;
        office.prints("sync run 1 --detach").await;
        office
            .shop
            .execute("UPDATE events_sync_items SET state = 1 WHERE external_id = '1'")
            .await;
        office.clock.advance(TimeDelta::minutes(31));
        let reclaim = "items reclaim --older-than 30m";
        let dry = office.prints(&format!("{reclaim} --dry-run")).await;
        assert!(dry.starts_with("1 reclaimable item\n"), "{dry}");
        assert_eq!(office.prints("items failed").await, "0 failed items\n");
        let done = office.json(&format!("{reclaim} --json")).await;
        assert_eq!(done[0]["status"], "failed");
        assert_eq!(office.prints(reclaim).await, "0 reclaimed items\n");
    });
}
