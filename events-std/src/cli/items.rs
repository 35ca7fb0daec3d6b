//! `items`: those of sync runs that failed for good, or hang.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::text::{Column, age, counted, in_short, table};
use super::{CommandError, write_json};
use crate::integration::Integrations;
use crate::sync::{IntegrationSyncItem, ItemFilter, ItemStatus, SyncRunError};

#[derive(Clone, Debug, Subcommand)]
pub(super) enum ItemsCommand {
    /// List those that failed for good, in the order in which they were found
    Failed(FailedArgs),
    /// Let failed ones be tried again, with all their attempts
    Retry(IdsArgs),
    /// Give failed ones up: the cursor may pass them
    Skip(IdsArgs),
    /// End those as failed that have been processing for too long
    Reclaim(ReclaimArgs),
}

#[derive(Args, Clone, Debug)]
pub(super) struct FailedArgs {
    /// Only those of this integration
    #[arg(long, value_name = "INTEGRATION")]
    integration: Option<i64>,
    /// Only those of this run
    #[arg(long, value_name = "RUN")]
    run: Option<i64>,
    /// How many to list at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Go on behind this one, the last of the page before
    #[arg(long, value_name = "ITEM")]
    after: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct IdsArgs {
    /// The items' ids
    #[arg(value_name = "ITEM", required = true)]
    ids: Vec<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ReclaimArgs {
    /// Those that have been processing for longer than this: 30m, 12h
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Duration,
    /// Only list them
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is shown of an item. Its payload is the application's data, and not shown.
#[derive(Serialize)]
struct Shown<'i> {
    id: i64,
    integration_id: i64,
    run_id: i64,
    event: &'i str,
    external_id: Option<&'i str>,
    checkpoint: Option<&'i serde_json::Value>,
    status: String,
    attempts: u32,
    error: Option<&'i str>,
    updated_at: DateTime<Utc>,
}

impl<'i> Shown<'i> {
    fn of(item: &'i IntegrationSyncItem) -> Self {
        Self {
            id: item.id,
            integration_id: item.integration_id,
            run_id: item.run_id,
            event: &item.event_name,
            external_id: item.external_id.as_deref(),
            checkpoint: item.checkpoint_value.as_ref(),
            status: item.status.to_string(),
            attempts: item.attempts,
            error: item.error.as_deref(),
            updated_at: item.updated_at,
        }
    }
}

impl ItemsCommand {
    pub(super) async fn run(
        self,
        integrations: &Integrations,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        match self {
            Self::Failed(args) => args.run(integrations, output).await,
            Self::Retry(args) => {
                let retry = async |id| integrations.retry_item(id).await;
                args.run(retry, output).await
            }
            Self::Skip(args) => {
                let skip = async |id| integrations.skip_item(id).await;
                args.run(skip, output).await
            }
            Self::Reclaim(args) => args.run(integrations, output).await,
        }
    }
}

impl FailedArgs {
    async fn run(
        self,
        integrations: &Integrations,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let mut filter = ItemFilter::new()
            .status(ItemStatus::Failed)
            .limit(self.limit);
        if let Some(integration) = self.integration {
            filter = filter.integration(integration);
        }
        if let Some(run) = self.run {
            filter = filter.run(run);
        }
        if let Some(after) = self.after {
            filter = filter.after(after);
        }
        let items = integrations.sync_items(&filter).await?;
        let next = items
            .last()
            .filter(|_| u32::try_from(items.len()).is_ok_and(|items| items == self.limit));
        print(&items, "failed item", self.json, integrations, output)?;
        if let Some(next) = next
            && !self.json
        {
            writeln!(output, "\nmore: --after {}", next.id)?;
        }
        Ok(())
    }
}

fn print(
    items: &[IntegrationSyncItem],
    noun: &str,
    json: bool,
    integrations: &Integrations,
    output: &mut impl Write,
) -> Result<(), CommandError> {
    let shown: Vec<_> = items.iter().map(Shown::of).collect();
    if json {
        return write_json(output, &shown);
    }
    let now = integrations.events().now();
    let count = u64::try_from(shown.len()).unwrap_or(u64::MAX);
    let mut text = format!("{}\n", counted(count, noun));
    if !shown.is_empty() {
        let rows = shown.iter().map(|item| {
            [
                item.id.to_string(),
                item.integration_id.to_string(),
                item.run_id.to_string(),
                item.event.to_owned(),
                item.external_id.unwrap_or("-").to_owned(),
                item.attempts.to_string(),
                age(now - item.updated_at),
                in_short(item.error.unwrap_or_default(), 60),
            ]
        });
        let columns = [
            Column::Number("ITEM"),
            Column::Number("INTEGRATION"),
            Column::Number("RUN"),
            Column::Text("EVENT"),
            Column::Text("EXTERNAL ID"),
            Column::Number("ATTEMPTS"),
            Column::Number("SINCE"),
            Column::Text("ERROR"),
        ];
        let _ = write!(text, "\n{}", table(columns, rows));
    }
    output.write_all(text.as_bytes())?;
    Ok(())
}

/// What became of the items that were named.
#[derive(Serialize)]
struct Decided {
    id: i64,
    /// How it stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

impl IdsArgs {
    /// Decides about each of the items that are named, and tells how each stands then.
    async fn run(
        self,
        decide: impl AsyncFn(i64) -> Result<IntegrationSyncItem, SyncRunError>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let mut decided = Vec::new();
        for id in self.ids {
            let (status, refused) = match decide(id).await {
                Ok(item) => (Some(item.status.to_string()), None),
                Err(error @ (SyncRunError::NoItem(_) | SyncRunError::NotFailed { .. })) => {
                    (None, Some(error.to_string()))
                }
                Err(error) => return Err(error.into()),
            };
            decided.push(Decided {
                id,
                status,
                refused,
            });
        }
        if self.json {
            write_json(output, &decided)?;
        } else {
            for Decided { id, status, .. } in &decided {
                if let Some(status) = status {
                    writeln!(output, "item {id} is {status}")?;
                }
            }
        }
        let refused: Vec<_> = decided.into_iter().filter_map(|one| one.refused).collect();
        if refused.is_empty() {
            return Ok(());
        }
        Err(CommandError::NotFailed(refused))
    }
}

impl ReclaimArgs {
    async fn run(
        self,
        integrations: &Integrations,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let (items, noun) = if self.dry_run {
            (
                integrations.reclaimable_items(self.older_than).await?,
                "reclaimable item",
            )
        } else {
            (
                integrations.reclaim_items(self.older_than).await?,
                "reclaimed item",
            )
        };
        print(&items, noun, self.json, integrations, output)
    }
}
