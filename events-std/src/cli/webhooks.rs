//! `webhooks`: deliveries that were stored.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::text::{Column, age, counted, in_short, indented, on_one_line, table};
use super::{CommandError, write_json};
use crate::integration::Integrations;
use crate::webhook::{IntegrationWebhook, WebhookError, WebhookFilter, WebhookStatus};

#[derive(Clone, Debug, Subcommand)]
pub(super) enum WebhooksCommand {
    /// List them, the latest first
    List(ListArgs),
    /// Show one with its headers and its body
    Show(OneArgs),
    /// Let the provider's handler have one once more; its status stays
    Replay(OneArgs),
    /// Queue those again whose processing failed
    Recover(RecoverArgs),
}

#[derive(Args, Clone, Debug)]
pub(super) struct ListArgs {
    /// Only deliveries to this integration
    #[arg(long, value_name = "ID")]
    integration: Option<i64>,
    /// Only deliveries whose processing stands so: pending, processing, processed, failed
    #[arg(long, value_name = "STATUS")]
    status: Option<WebhookStatus>,
    /// Only deliveries of this event type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// How many to list at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Go on behind the last page, which printed this number
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct OneArgs {
    /// The delivery's id
    #[arg(value_name = "ID")]
    id: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct RecoverArgs {
    /// The deliveries' ids
    #[arg(
        value_name = "ID",
        required_unless_present_any = ["all", "integration"],
        conflicts_with_all = ["all", "integration"],
    )]
    ids: Vec<i64>,
    /// All whose processing failed
    #[arg(long, conflicts_with = "integration")]
    all: bool,
    /// All of this integration whose processing failed
    #[arg(long, value_name = "ID")]
    integration: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A delivery as `--json` lists it.
#[derive(Serialize)]
struct Listed<'w> {
    id: i64,
    integration: i64,
    provider: &'w str,
    provider_delivery_id: &'w str,
    event_type: Option<&'w str>,
    status: String,
    attempts: u32,
    error: Option<&'w str>,
    bytes: usize,
    created_at: DateTime<Utc>,
    processed_at: Option<DateTime<Utc>>,
}

impl<'w> Listed<'w> {
    fn of(webhook: &'w IntegrationWebhook) -> Self {
        Self {
            id: webhook.id,
            integration: webhook.integration_id,
            provider: &webhook.provider,
            provider_delivery_id: &webhook.provider_delivery_id,
            event_type: webhook.event_type.as_deref(),
            status: webhook.status.to_string(),
            attempts: webhook.attempts,
            error: webhook.error.as_deref(),
            bytes: webhook.payload.len(),
            created_at: webhook.created_at,
            processed_at: webhook.processed_at,
        }
    }
}

/// A delivery as `--json` shows it.
#[derive(Serialize)]
struct Shown<'w> {
    #[serde(flatten)]
    listed: Listed<'w>,
    headers: &'w BTreeMap<String, Vec<String>>,
    /// As text; what is no UTF-8 is replaced.
    payload: String,
}

/// A page as `--json` prints it.
#[derive(Serialize)]
struct Page<'w> {
    webhooks: Vec<Listed<'w>>,
    /// The page after this one begins before this id.
    next: Option<i64>,
}

impl WebhooksCommand {
    pub(super) async fn run(
        self,
        integrations: &Integrations,
        now: DateTime<Utc>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        match self {
            Self::List(args) => args.run(integrations, now, output).await,
            Self::Show(args) => args.show(integrations, now, output).await,
            Self::Replay(args) => args.replay(integrations, output).await,
            Self::Recover(args) => args.run(integrations, output).await,
        }
    }
}

impl ListArgs {
    async fn run(
        self,
        integrations: &Integrations,
        now: DateTime<Utc>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let mut filter = WebhookFilter::new().limit(self.limit.saturating_add(1));
        if let Some(id) = self.integration {
            filter = filter.integration(id);
        }
        if let Some(status) = self.status {
            filter = filter.status(status);
        }
        if let Some(event_type) = self.event_type {
            filter = filter.event_type(event_type);
        }
        if let Some(before) = self.before {
            filter = filter.before(before);
        }
        let mut webhooks = integrations.list_webhooks(filter).await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = webhooks.len() > limit;
        webhooks.truncate(limit);
        let next = webhooks.last().filter(|_| more).map(|last| last.id);
        if self.json {
            let webhooks = webhooks.iter().map(Listed::of).collect();
            return write_json(output, &Page { webhooks, next });
        }
        output.write_all(page_text(&webhooks, next, now).as_bytes())?;
        Ok(())
    }
}

fn page_text(webhooks: &[IntegrationWebhook], next: Option<i64>, now: DateTime<Utc>) -> String {
    if webhooks.is_empty() {
        return "no webhooks\n".to_owned();
    }
    let rows = webhooks.iter().map(|webhook| {
        [
            webhook.id.to_string(),
            age(now - webhook.created_at),
            webhook.integration_id.to_string(),
            webhook.provider.clone(),
            webhook.event_type.clone().unwrap_or_default(),
            in_short(&webhook.provider_delivery_id, 40),
            webhook.status.to_string(),
            webhook.attempts.to_string(),
            in_short(webhook.error.as_deref().unwrap_or_default(), 60),
        ]
    });
    let mut text = table(
        [
            Column::Number("ID"),
            Column::Number("AGE"),
            Column::Number("INTEGRATION"),
            Column::Text("PROVIDER"),
            Column::Text("TYPE"),
            Column::Text("DELIVERY"),
            Column::Text("STATUS"),
            Column::Number("ATTEMPTS"),
            Column::Text("ERROR"),
        ],
        rows,
    );
    if let Some(next) = next {
        let _ = writeln!(text, "\nmore: --before {next}");
    }
    text
}

impl OneArgs {
    async fn show(
        self,
        integrations: &Integrations,
        now: DateTime<Utc>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let found = integrations.webhook(self.id).await?;
        let webhook = found.ok_or(WebhookError::NotFound(self.id))?;
        let payload = String::from_utf8_lossy(&webhook.payload).into_owned();
        if self.json {
            let shown = Shown {
                listed: Listed::of(&webhook),
                headers: &webhook.headers,
                payload,
            };
            return write_json(output, &shown);
        }
        output.write_all(details_text(&webhook, &payload, now).as_bytes())?;
        Ok(())
    }

    async fn replay(
        self,
        integrations: &Integrations,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let log = integrations.replay_webhook(self.id).await?;
        if self.json {
            let replayed = serde_json::json!({
                "id": self.id, "status": log.status, "error": log.error, "log": log.id,
            });
            write_json(output, &replayed)?;
        } else if log.error.is_none() {
            writeln!(output, "webhook {} replayed", self.id)?;
        }
        match log.error {
            None => Ok(()),
            Some(error) => Err(CommandError::Replay { id: self.id, error }),
        }
    }
}

fn details_text(webhook: &IntegrationWebhook, payload: &str, now: DateTime<Utc>) -> String {
    let at = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let rows = [
        ("integration", Some(webhook.integration_id.to_string())),
        ("provider", Some(webhook.provider.clone())),
        ("delivery", Some(webhook.provider_delivery_id.clone())),
        ("type", webhook.event_type.clone()),
        (
            "status",
            Some(format!(
                "{}, after {}",
                webhook.status,
                counted(webhook.attempts.into(), "attempt")
            )),
        ),
        (
            "stored",
            Some(format!(
                "{}, {} ago",
                at(webhook.created_at),
                age(now - webhook.created_at)
            )),
        ),
        ("processed", webhook.processed_at.map(at)),
    ];
    let mut text = format!("webhook {}\n", webhook.id);
    for (name, value) in rows {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:<13}{}", on_one_line(&value));
        }
    }
    if let Some(error) = &webhook.error {
        let _ = write!(text, "  error\n{}", indented(error));
    }
    text.push_str("  headers\n");
    for (name, values) in &webhook.headers {
        for value in values {
            text.push_str(&indented(&format!("{name}: {value}")));
        }
    }
    let _ = write!(text, "  payload\n{}", indented(payload));
    text
}

impl RecoverArgs {
    async fn run(
        self,
        integrations: &Integrations,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let (mut recovered, mut refused) = (0, Vec::new());
        if self.ids.is_empty() {
            recovered = integrations.recover_webhooks(self.integration).await?;
        }
        for id in self.ids {
            match integrations.recover_webhook(id).await {
                Ok(_) => recovered += 1,
                Err(error @ (WebhookError::NotFailed { .. } | WebhookError::NotFound(_))) => {
                    refused.push(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.json {
            let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
            let told = serde_json::json!({ "recovered": recovered, "refused": refused });
            write_json(output, &told)?;
        } else {
            writeln!(output, "{} queued again", counted(recovered, "webhook"))?;
        }
        if refused.is_empty() {
            return Ok(());
        }
        Err(CommandError::NotRecovered(refused))
    }
}
