//! `operations`: what integrations did, and what went wrong.

use std::fmt::Write as _;
use std::io::Write;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use super::text::{Column, age, in_short, table};
use super::{CommandError, write_json};
use crate::integration::Integrations;
use crate::operation::{IntegrationLog, OperationFilter};

#[derive(Clone, Debug, Subcommand)]
pub(super) enum OperationsCommand {
    /// List the entries of the operation log, the latest first
    List(ListArgs),
}

#[derive(Args, Clone, Debug)]
pub(super) struct ListArgs {
    /// Only those of this integration, by its id
    #[arg(long, value_name = "INTEGRATION")]
    integration: Option<i64>,
    /// Only those about this, as sync
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only those that stand so, as success or failed
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// How many to list at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Go on behind this one, the last of the page before
    #[arg(long, value_name = "OPERATION")]
    before: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl OperationsCommand {
    pub(super) async fn run(
        self,
        integrations: &Integrations,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let Self::List(args) = self;
        let found = integrations.operations(&args.filter()).await?;
        if args.json {
            let shown: Vec<_> = found.iter().map(Shown::of).collect();
            return write_json(output, &shown);
        }
        let mut text = text(&found, integrations.events().now());
        if let Some(last) = found.last()
            && u32::try_from(found.len()).is_ok_and(|found| found == args.limit)
        {
            let _ = writeln!(text, "\nmore: --before {}", last.id);
        }
        output.write_all(text.as_bytes())?;
        Ok(())
    }
}

impl ListArgs {
    fn filter(&self) -> OperationFilter {
        let mut filter = OperationFilter::new().limit(self.limit);
        if let Some(id) = self.integration {
            filter = filter.integration(id);
        }
        if let Some(operation) = &self.operation {
            filter = filter.operation(operation);
        }
        if let Some(status) = &self.status {
            filter = filter.status(status);
        }
        if let Some(id) = self.before {
            filter = filter.before(id);
        }
        filter
    }
}

/// An entry, as `--json` prints it.
#[derive(Serialize)]
struct Shown<'l> {
    id: i64,
    integration_id: i64,
    parent_id: Option<i64>,
    operation: &'l str,
    direction: String,
    status: &'l str,
    external_id: Option<&'l str>,
    summary: Option<&'l str>,
    error: Option<&'l str>,
    metadata: Option<&'l Value>,
    result_data: Option<&'l Value>,
    duration_ms: Option<u64>,
    attempt: Option<u32>,
    max_attempts: Option<u32>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl<'l> Shown<'l> {
    fn of(log: &'l IntegrationLog) -> Self {
        Self {
            id: log.id,
            integration_id: log.integration_id,
            parent_id: log.parent_id,
            operation: &log.operation,
            direction: log.direction.to_string(),
            status: &log.status,
            external_id: log.external_id.as_deref(),
            summary: log.summary.as_deref(),
            error: log.error.as_deref(),
            metadata: log.metadata.as_ref(),
            result_data: log.result_data.as_ref(),
            duration_ms: log.duration_ms,
            attempt: log.attempt,
            max_attempts: log.max_attempts,
            created_at: log.created_at,
            updated_at: log.updated_at,
        }
    }
}

fn text(found: &[IntegrationLog], now: DateTime<Utc>) -> String {
    if found.is_empty() {
        return "no operations\n".to_owned();
    }
    let rows = found.iter().map(|one| {
        let said = one.error.as_deref().or(one.summary.as_deref());
        [
            one.id.to_string(),
            age(now - one.created_at),
            one.integration_id.to_string(),
            one.operation.clone(),
            one.direction.to_string(),
            one.status.clone(),
            in_short(said.unwrap_or("-"), 80),
        ]
    });
    table(
        [
            Column::Number("ID"),
            Column::Number("AGE"),
            Column::Number("INTEGRATION"),
            Column::Text("OPERATION"),
            Column::Text("DIRECTION"),
            Column::Text("STATUS"),
            Column::Text("WHAT HAPPENED"),
        ],
        rows,
    )
}
