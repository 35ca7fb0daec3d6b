//! `sync`: which integrations are due, how their runs stand, and a run now.

use std::fmt::Write as _;
use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Subcommand;
use events_core::Events;
use serde::Serialize;

use super::follow::{Follow, figures};
use super::integrations::since;
use super::text::{Column, on_one_line, table};
use super::{CommandError, stopped, write_json};
use crate::integration::{InspectedIntegration, Integration, IntegrationFilter, Integrations};
use crate::queue::Worker;
use crate::sync::{RunState, SkipReason, SyncProgress, SyncRun, SyncStart};

#[derive(Clone, Debug, Subcommand)]
pub(super) enum SyncCommand {
    /// List the integrations whose next run is due, those that have been due longest first
    Due {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run one now, due or not, and work at its items until all have ended
    Run {
        /// The integration's id
        #[arg(value_name = "INTEGRATION")]
        id: i64,
        /// Leave the items to other workers
        #[arg(long)]
        detach: bool,
        /// Print JSON when it ends
        #[arg(long)]
        json: bool,
    },
    /// See how far the latest runs have come
    Status {
        /// Only that of this integration
        #[arg(value_name = "INTEGRATION")]
        id: Option<i64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl SyncCommand {
    pub(super) async fn run(
        self,
        integrations: &Integrations,
        events: &Events,
        output: &mut (impl Write + Send),
    ) -> Result<(), CommandError> {
        match self {
            Self::Due { json } => due(integrations, json, output).await,
            Self::Run { id, detach, json } => {
                let run = Run { id, detach, json };
                run.run(integrations, events, output).await
            }
            Self::Status { id, json } => status(integrations, id, json, output).await,
        }
    }
}

/// An integration that is due, as `--json` prints it.
#[derive(Serialize)]
struct Due {
    id: i64,
    provider: String,
    name: String,
    /// Since when; none if it was never synced, or its health or its interval decides.
    next_sync_at: Option<DateTime<Utc>>,
    last_synced_at: Option<DateTime<Utc>>,
}

async fn due(
    integrations: &Integrations,
    json: bool,
    output: &mut impl Write,
) -> Result<(), CommandError> {
    let mut due = Vec::new();
    for id in integrations.due_for_sync().await? {
        // It may be gone meanwhile.
        if let Some(found) = integrations.inspect(id).await? {
            let found = found.integration;
            due.push(Due {
                id,
                provider: found.provider,
                name: found.name,
                next_sync_at: found.next_sync_at,
                last_synced_at: found.last_synced_at,
            });
        }
    }
    if json {
        return write_json(output, &due);
    }
    if due.is_empty() {
        writeln!(output, "nothing is due")?;
        return Ok(());
    }
    let now = integrations.events().now();
    let rows = due.into_iter().map(|one| {
        [
            one.id.to_string(),
            one.provider,
            one.name,
            since(one.next_sync_at, now),
            since(one.last_synced_at, now),
        ]
    });
    let columns = [
        Column::Number("ID"),
        Column::Text("PROVIDER"),
        Column::Text("NAME"),
        Column::Number("DUE SINCE"),
        Column::Number("SYNCED"),
    ];
    output.write_all(table(columns, rows).as_bytes())?;
    Ok(())
}

/// A run and how far it has come, as `--json` prints it.
#[derive(Serialize)]
struct Standing {
    integration_id: i64,
    name: String,
    run_id: i64,
    #[serde(flatten)]
    progress: SyncProgress,
    duplicates: u64,
    /// Why its enumeration failed.
    error: Option<String>,
    started_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

impl Standing {
    async fn of(
        integrations: &Integrations,
        integration: &Integration,
        run: &SyncRun,
        progress: SyncProgress,
    ) -> Result<Self, CommandError> {
        let log = integrations.find_operation(run.log_id).await?;
        Ok(Self {
            integration_id: integration.id,
            name: integration.name.clone(),
            run_id: run.id,
            progress,
            duplicates: run.duplicates,
            error: log.and_then(|log| log.error),
            started_at: run.created_at,
            closed_at: run.closed_at,
        })
    }

    /// How it stands, in a word.
    fn state(&self) -> String {
        if self.error.is_some() {
            "failed".to_owned()
        } else {
            self.progress.state.to_string()
        }
    }
}

async fn status(
    integrations: &Integrations,
    id: Option<i64>,
    json: bool,
    output: &mut impl Write,
) -> Result<(), CommandError> {
    let wanted = match id {
        Some(id) => vec![super::integrations::find(integrations, id).await?],
        None => integrations.inspect_all(IntegrationFilter::new()).await?,
    };
    let mut standing = Vec::new();
    for InspectedIntegration { integration, .. } in &wanted {
        if let Some((run, progress)) = integrations.sync_status(integration.id).await? {
            standing.push(Standing::of(integrations, integration, &run, progress).await?);
        }
    }
    if json {
        return write_json(output, &standing);
    }
    if standing.is_empty() {
        writeln!(output, "nothing was synced yet")?;
        return Ok(());
    }
    let now = integrations.events().now();
    let rows = standing.iter().map(|one| {
        [
            one.integration_id.to_string(),
            one.name.clone(),
            one.run_id.to_string(),
            one.state(),
            since(Some(one.started_at), now),
            one.progress.enumerated.to_string(),
            one.progress.done.to_string(),
            one.progress.failed.to_string(),
            one.progress.pending().to_string(),
        ]
    });
    let columns = [
        Column::Number("ID"),
        Column::Text("NAME"),
        Column::Number("RUN"),
        Column::Text("STATE"),
        Column::Number("STARTED"),
        Column::Number("FOUND"),
        Column::Number("DONE"),
        Column::Number("FAILED"),
        Column::Number("LEFT"),
    ];
    let mut text = table(columns, rows);
    let failed = standing
        .iter()
        .filter_map(|one| Some((one.run_id, one.error.as_ref()?)));
    for (number, (run, error)) in failed.enumerate() {
        let gap = if number == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}run {run}: {}", on_one_line(error));
    }
    output.write_all(text.as_bytes())?;
    Ok(())
}

struct Run {
    id: i64,
    detach: bool,
    json: bool,
}

impl Run {
    async fn run(
        self,
        integrations: &Integrations,
        events: &Events,
        output: &mut (impl Write + Send),
    ) -> Result<(), CommandError> {
        let found = super::integrations::find(integrations, self.id).await?;
        let mut stopped = std::pin::pin!(stopped()?);
        let mut follow = Follow::new(integrations, self.id, self.json);
        let started = tokio::select! {
            biased;
            started = integrations.sync(self.id) => started?,
            failed = follow.enumerating(output) => match failed? {},
            () = &mut stopped => return Err(CommandError::NotSynced(
                "it was stopped while its items were enumerated: the next run starts over".to_owned(),
            )),
        };
        let run = match started {
            SyncStart::Enumerated(run) => run,
            SyncStart::Failed { error, .. } => {
                return Err(CommandError::NotSynced(format!(
                    "the provider failed: {}",
                    on_one_line(&error)
                )));
            }
            SyncStart::Busy(run) => {
                return Err(CommandError::NotSynced(format!(
                    "its run {} is {} still: see `sync status {}`",
                    run.id, run.state, self.id
                )));
            }
            SyncStart::Skipped(reason) => return Err(CommandError::NotSynced(why(reason))),
        };
        if run.state != RunState::Closed && !self.detach {
            let worker = Worker::new(events, integrations.store()).sync_items(integrations);
            let mut followed = Ok(());
            let until = async {
                tokio::select! {
                    ended = follow.until_closed(run.id, output) => followed = ended,
                    () = &mut stopped => {}
                }
            };
            worker.run_until(until).await?;
            followed?;
        }
        follow.end();
        let (run, progress) = match integrations.sync_run(run.id).await? {
            Some(run) => {
                let progress = integrations.progress(run.id).await?;
                (run, progress)
            }
            None => {
                return Err(CommandError::NotSynced(
                    "its integration is gone".to_owned(),
                ));
            }
        };
        let standing = Standing::of(integrations, &found.integration, &run, progress).await?;
        if self.json {
            return write_json(output, &standing);
        }
        let mut text = format!("run {} is {}: {}\n", run.id, run.state, figures(&progress));
        if progress.failed > 0 {
            let _ = writeln!(text, "see `items failed --run {}`", run.id);
        }
        output.write_all(text.as_bytes())?;
        Ok(())
    }
}

fn why(reason: SkipReason) -> String {
    match reason {
        SkipReason::Missing => "there is no such integration",
        SkipReason::Inactive => "it is switched off",
        SkipReason::NotDue => "it is not due any more: another scheduler was faster",
        SkipReason::Unable => {
            "its provider is not known to this program, or cannot be synced on a schedule"
        }
    }
    .to_owned()
}
