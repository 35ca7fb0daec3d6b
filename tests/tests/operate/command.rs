//! The subcommands, as an app mounts them.

use clap::Parser;
use events_std::cli::{Command, CommandError, JobsCommand};
use serde_json::{Value, json};

use crate::kit::{Shop, on_every_database};

/// A shop
#[derive(Parser)]
#[command(name = "shop")]
struct Args {
    #[command(subcommand)]
    command: Mounted,
}

#[derive(clap::Subcommand)]
enum Mounted {
    /// Take orders
    Serve,
    #[command(flatten)]
    Events(Command),
}

pub(crate) fn parse(line: &str) -> Result<Command, String> {
    let words = std::iter::once("shop").chain(line.split_whitespace());
    match Args::try_parse_from(words) {
        Ok(args) => match args.command {
            Mounted::Events(command) => Ok(command),
            Mounted::Serve => Err("served".to_owned()),
        },
        Err(error) => Err(error.to_string()),
    }
}

impl Shop {
    pub(crate) async fn run(&self, line: &str) -> (String, Result<(), CommandError>) {
        let mut output = Vec::new();
        let command = parse(line).expect("a command");
        let ended = command.run_to(&self.store, &self.events, &mut output).await;
        (String::from_utf8(output).expect("text"), ended)
    }

    pub(crate) async fn prints(&self, line: &str) -> String {
        let (output, ended) = self.run(line).await;
        ended.expect("it succeeds");
        output
    }

    async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.prints(line).await).expect("JSON")
    }
}

#[test]
fn an_app_mounts_them_beside_its_own() {
    assert_eq!(parse("serve").unwrap_err(), "served");
    let help = parse("--help").unwrap_err();
    assert!(
        help.starts_with("A shop\n\nUsage: "),
        "its own words stay: {help}"
    );
    for name in [
        "serve",
        "work",
        "failed",
        "queue",
        "integrations",
        "sync",
        "items",
        "migrate",
    ] {
        assert!(help.contains(&format!("\n  {name} ")), "{help}");
    }
    for line in [
        "failed list --queue mail --reason timed-out --older-than 2h --by-cause",
        "failed retry 17 0198c9a5-3f67-7d0c-b5a6-1d1f0a3c2b11",
        "failed retry --all",
        "failed flush --older-than 7days --event order.paid",
        "work --queues mail,stock --concurrency 4 --drain",
        "work --limit mail=2 --limit stock=1",
        "queue stats --json",
        "integrations list --provider zendesk --health failing --owner team/7",
        "integrations health 7 --check --json",
        "sync run 7 --detach",
        "items failed --integration 7 --run 8 --after 9",
        "items retry 17 18",
        "items reclaim --older-than 30m --dry-run",
        "migrate --json",
    ] {
        parse(line).expect(line);
    }
}

/// A warehouse
#[derive(Parser)]
struct WithoutIntegrations {
    #[command(subcommand)]
    command: JobsCommand,
}

#[test]
fn an_app_without_integrations_mounts_those_about_jobs_alone() {
    let help = WithoutIntegrations::try_parse_from(["warehouse", "--help"]);
    let help = help.err().expect("its help").to_string();
    for name in ["work", "failed", "queue", "migrate"] {
        assert!(help.contains(&format!("\n  {name} ")), "{help}");
    }
    for name in ["integrations", "sync", "items", "webhooks", "oauth"] {
        assert!(!help.contains(&format!("\n  {name} ")), "{help}");
    }
    on_every_database(async |shop: Shop| {
        shop.failed_orders(1).await;
        shop.repair();
        for line in [
            ["warehouse", "failed", "retry", "--all"].as_slice(),
            &["warehouse", "work", "--drain"],
        ] {
            let command = WithoutIntegrations::try_parse_from(line).unwrap().command;
            command.run(&shop.store, &shop.events).await.unwrap();
        }
        assert_eq!(shop.states().await, [0, 0, 2, 0]);
    });
}

#[test]
fn what_could_mean_too_much_is_refused() {
    for line in [
        "failed retry",
        "failed retry 1 --all",
        "failed retry 1 --queue mail",
        "failed retry --all --queue mail",
        "failed retry seventeen",
        "failed forget",
        "failed flush",
        "failed flush --all --queue mail",
        "failed flush --older-than soon",
        "failed list --reason tired",
        "failed list --by-cause --before 7",
        "work --concurrency 0",
        "work --limit mail",
        "work --limit =2",
        "work --limit mail=0",
    ] {
        let refused = parse(line).expect_err(line);
        assert!(refused.starts_with("error:"), "{line}: {refused}");
    }
}

#[test]
fn parked_jobs_are_printed() {
    on_every_database(async |shop: Shop| {
        assert_eq!(shop.prints("failed list").await, "0 parked jobs\n");
        shop.failed_orders(2).await;
        assert_eq!(
            shop.prints("failed list --queue mail").await,
            "\
2 parked jobs

JOB  AGE  QUEUE  EVENT       LISTENER      REASON     ATTEMPTS  ERROR
  3  60s  mail   order.paid  send_receipt  exhausted         1  the mail server is away..
  1   2m  mail   order.paid  send_receipt  exhausted         1  the mail server is away..
"
        );
        let paged = shop.prints("failed list --limit 1 --queue mail").await;
        assert!(paged.ends_with("\nmore: --before 3\n"), "{paged}");
        assert_eq!(
            shop.prints("failed list --by-cause").await,
            "\
4 parked jobs, 3 causes

JOBS  OLDEST  NEWEST  REASON     LISTENER         ERROR
   2      2m     60s  exhausted  send_receipt     the mail server is away
   1     60s     60s  exhausted  take_from_stock  order 2 is not in stock
   1      2m      2m  exhausted  take_from_stock  order 1 is not in stock
"
        );
        let listed = shop.json("failed list --limit 3 --json").await;
        assert_eq!((&listed["total"], &listed["next"]), (&json!(4), &json!(2)));
        assert_eq!(listed["jobs"][2]["number"], 2);
        let causes = shop.json("failed list --by-cause --json").await;
        assert_eq!(causes[0]["count"], 2);
        assert_eq!(causes.as_array().unwrap().len(), 3);
        let one = shop.json("failed list --by-cause --limit 1 --json").await;
        assert_eq!(one, json!([causes[0]]));
    });
}

#[test]
fn a_limit_of_a_queue_that_is_not_served_is_refused() {
    on_every_database(async |shop: Shop| {
        for (line, served) in [
            ("work --drain --limit mial=1", "default, mail, stock"),
            ("work --drain --queues stock --limit mail=1", "stock"),
        ] {
            let (_, ended) = shop.run(line).await;
            let error = ended.unwrap_err().to_string();
            assert!(error.contains("does not serve the queue `m"), "{error}");
            assert!(error.ends_with(&format!(", only {served}")), "{error}");
        }
    });
}

#[test]
fn one_job_is_printed_with_all_that_is_known() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(1).await;
        let text = shop.prints("failed show 1").await;
        for part in [
            "job 1\n",
            "\n  event       order.paid, version 1\n",
            "\n  listener    send_receipt\n",
            "\n  reason      exhausted, after 1 attempt\n",
            "\n  parked      2026-01-01 00:00:00 UTC, 60s ago\n",
            "\n  delivery    0",
            "\n  error\n    the mail server is away\n    order 1\n",
            "\n  payload\n    {\"order\":1}\n",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        let shown = shop.json("failed show 1 --json").await;
        assert_eq!(shown["payload"], json!({ "order": 1 }));
        assert_eq!(shown["error"], "the mail server is away\norder 1");
        assert_eq!(shown["delivery"]["correlation_id"], shown["delivery"]["id"]);

        // What is stored may be anything: it drives no terminal, and the JSON stays whole.
        let hostile = "\u{1b}[2J{not json";
        shop.execute(&format!(
            "UPDATE events_jobs SET payload = '{hostile}', error = '{hostile}', event = '{hostile}' WHERE id = 1"
        ))
        .await;
        for line in ["failed show 1", "failed list", "failed list --by-cause"] {
            let text = shop.prints(line).await;
            assert!(!text.contains('\u{1b}'), "{text}");
            assert!(text.contains("\\u{1b}[2J{not json"), "{text}");
        }
        let shown = shop.json("failed show 1 --json").await;
        assert_eq!(shown["payload"], hostile);
    });
}

#[test]
fn jobs_are_retried_and_forgotten_by_name() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(3).await;
        assert_eq!(shop.prints("failed retry 1").await, "1 job retried\n");
        let (output, ended) = shop.run("failed retry 1 2 99").await;
        assert_eq!(output, "1 job retried\n");
        assert_eq!(ended.unwrap_err().to_string(), "not parked: 1, 99");
        let (output, ended) = shop.run("failed retry 99 --json").await;
        assert!(ended.is_err());
        let output: Value = serde_json::from_str(&output).unwrap();
        assert_eq!(output, json!({ "retried": 0, "not_parked": ["99"] }));
        let (output, ended) = shop.run("failed show 99").await;
        assert_eq!((output.as_str(), ended.is_err()), ("", true));
        assert_eq!(shop.prints("failed forget 3").await, "1 job forgotten\n");
        assert_eq!(
            shop.json("failed forget 4 --json").await,
            json!({ "forgotten": 1 })
        );
        assert_eq!(
            shop.json("failed flush --older-than 1h --json").await,
            json!({ "forgotten": 0 })
        );
        assert_eq!(
            shop.prints("failed flush --queue mail").await,
            "1 job forgotten\n"
        );
        assert_eq!(shop.prints("failed retry --all").await, "1 job retried\n");
        assert_eq!(shop.prints("failed retry --all").await, "0 jobs retried\n");
        assert_eq!(shop.states().await, [3, 0, 0, 0]);
    });
}

#[test]
fn work_drains_and_says_so_in_its_last_line() {
    on_every_database(async |shop: Shop| {
        shop.failed_orders(1).await;
        shop.repair();
        shop.order(2).await;
        let output = shop.prints("work --drain").await;
        assert_eq!(
            output.lines().last(),
            Some("jobs: 0 pending, 2 done, 2 parked")
        );
        shop.prints("failed retry --all").await;
        let output = shop.prints("work --drain --queues mail").await;
        assert_eq!(
            output.lines().last(),
            Some("jobs: 1 pending, 3 done, 0 parked")
        );
        let ended = shop.json("work --drain --json").await;
        assert_eq!(ended["pending"], 0);
        assert_eq!(ended["done"], 4);
    });
}

#[test]
fn work_runs_no_more_of_a_queue_than_its_limit() {
    on_every_database(async |shop: Shop| {
        shop.repair();
        for order in 1..=8 {
            shop.order(order).await;
        }
        shop.prints("work --drain --limit mail=1").await;
        assert_eq!(shop.most_receipts_at_once(), 1);
    });
}

#[test]
fn the_figures_are_printed() {
    on_every_database(async |shop: Shop| {
        assert_eq!(
            shop.prints("queue stats").await,
            "no jobs\n\nno worker is alive\n"
        );
        shop.failed_orders(1).await;
        shop.order(2).await;
        shop.clock.advance(chrono::TimeDelta::minutes(5));
        assert_eq!(
            shop.prints("queue stats").await,
            "\
QUEUE  DUE  WAITING  RUNNING  PARKED  DONE  OLDEST DUE  ATTEMPTS
mail     1        0        0       1     0          5m         1
stock    1        0        0       1     0          5m         1

no worker is alive
"
        );
        shop.execute("UPDATE events_jobs SET listener = 'gone' WHERE id = 3")
            .await;
        let text = shop.prints("queue stats").await;
        assert!(
            text.contains(
                "\n1 pending job that no live worker knows: parked when due for 7 days\n"
            ),
            "{text}"
        );
        let stats = shop.json("queue stats --json").await;
        assert_eq!(stats["queues"][0]["due"], 1);
        assert_eq!(stats["unclaimed"][0]["listener"], "gone");
    });
}

#[test]
fn tables_are_brought_up_to_date_as_often_as_one_likes() {
    on_every_database(async |shop: Shop| {
        assert_eq!(shop.prints("migrate").await, "the tables are up to date\n");
        assert_eq!(
            shop.json("migrate --json").await,
            json!({ "up_to_date": true })
        );
    });
}
