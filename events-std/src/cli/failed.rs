//! `failed`: jobs that are parked until somebody decides.

use std::fmt::Write as _;
use std::io::Write;

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, Subcommand};
use events_core::Events;
use serde::Serialize;

use super::args::FilterArgs;
use super::text::{Column, age, counted, in_short, indented, on_one_line, reason, table};
use super::{CommandError, write_json};
use crate::queue::operate::{
    FailedCause, FailedDetails, FailedFilter, FailedJobs, FailedPage, JobId,
};
use crate::store::Store;

#[derive(Clone, Debug, Subcommand)]
pub(super) enum FailedCommand {
    /// List them, the latest dispatched first
    List(ListArgs),
    /// Show one with its payload and its whole error
    Show(ShowArgs),
    /// Give jobs all their attempts again, due at once: those that are named, or all that a filter lets through
    Retry(RetryArgs),
    /// Delete those that are named
    Forget(ForgetArgs),
    /// Delete all that a filter lets through
    Flush(FlushArgs),
}

#[derive(Args, Clone, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Group them by reason, listener and first line of the error
    #[arg(long, conflicts_with = "before")]
    by_cause: bool,
    /// How many to list at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Go on behind the last page, which printed this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ShowArgs {
    /// The job's number or UUID
    #[arg(value_name = "JOB")]
    id: JobId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct RetryArgs {
    /// The jobs' numbers or UUIDs
    #[arg(
        value_name = "JOB",
        required_unless_present_any = FilterArgs::ALL.into_iter().chain(["all"]),
        conflicts_with_all = FilterArgs::ALL.into_iter().chain(["all"]),
    )]
    ids: Vec<JobId>,
    #[command(flatten)]
    filter: FilterArgs,
    /// All parked jobs
    #[arg(long, conflicts_with_all = FilterArgs::ALL)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ForgetArgs {
    /// The jobs' numbers or UUIDs
    #[arg(value_name = "JOB", required = true)]
    ids: Vec<JobId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
#[command(group(
    ArgGroup::new("which")
        .required(true)
        .multiple(true)
        .args(FilterArgs::ALL.into_iter().chain(["all"]))
))]
pub(super) struct FlushArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// All parked jobs
    #[arg(long, conflicts_with_all = FilterArgs::ALL)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl FailedCommand {
    pub(super) async fn run(
        self,
        store: &Store,
        events: &Events,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let (failed, now) = (store.failed(events), events.now());
        match self {
            Self::List(args) => args.run(&failed, now, output).await,
            Self::Show(args) => args.run(&failed, now, output).await,
            Self::Retry(args) => args.run(&failed, now, output).await,
            Self::Forget(args) => args.run(&failed, output).await,
            Self::Flush(args) => args.run(&failed, now, output).await,
        }
    }
}

/// A page as `--json` prints it.
#[derive(Serialize)]
struct ListedPage<'p> {
    total: u64,
    #[serde(flatten)]
    page: &'p FailedPage,
}

impl ListArgs {
    async fn run(
        self,
        failed: &FailedJobs,
        now: DateTime<Utc>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let filter = self.filter.filter(now);
        if self.by_cause {
            let causes = failed.causes(&filter).await?;
            if self.json {
                let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
                return write_json(output, &&causes[..limit.min(causes.len())]);
            }
            output.write_all(causes_text(&causes, self.limit, now).as_bytes())?;
            return Ok(());
        }
        let total = failed.count(&filter).await?;
        let page = failed.list(&filter, self.before, self.limit).await?;
        if self.json {
            return write_json(output, &ListedPage { total, page: &page });
        }
        output.write_all(page_text(total, &page, now).as_bytes())?;
        Ok(())
    }
}

fn page_text(total: u64, page: &FailedPage, now: DateTime<Utc>) -> String {
    let mut text = format!("{}\n", counted(total, "parked job"));
    if !page.jobs.is_empty() {
        let rows = page.jobs.iter().map(|job| {
            [
                job.number.to_string(),
                age(now - job.parked_at),
                job.queue.clone(),
                job.event.clone(),
                job.listener.clone(),
                reason(&job.reason),
                job.attempts.to_string(),
                in_short(&job.error, 60),
            ]
        });
        text.push('\n');
        text.push_str(&table(
            [
                Column::Number("JOB"),
                Column::Number("AGE"),
                Column::Text("QUEUE"),
                Column::Text("EVENT"),
                Column::Text("LISTENER"),
                Column::Text("REASON"),
                Column::Number("ATTEMPTS"),
                Column::Text("ERROR"),
            ],
            rows,
        ));
    }
    if let Some(next) = page.next {
        let _ = writeln!(text, "\nmore: --before {next}");
    }
    text
}

fn causes_text(causes: &[FailedCause], limit: u32, now: DateTime<Utc>) -> String {
    let total = causes.iter().map(|cause| cause.count).sum();
    let number = u64::try_from(causes.len()).unwrap_or(u64::MAX);
    let mut text = format!(
        "{}, {}\n",
        counted(total, "parked job"),
        counted(number, "cause")
    );
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let rows = causes.iter().take(shown).map(|cause| {
        [
            cause.count.to_string(),
            age(now - cause.oldest),
            age(now - cause.newest),
            reason(&cause.reason),
            cause.listener.clone(),
            in_short(&cause.error, 80),
        ]
    });
    if !causes.is_empty() {
        text.push('\n');
        text.push_str(&table(
            [
                Column::Number("JOBS"),
                Column::Number("OLDEST"),
                Column::Number("NEWEST"),
                Column::Text("REASON"),
                Column::Text("LISTENER"),
                Column::Text("ERROR"),
            ],
            rows,
        ));
    }
    if causes.len() > shown {
        let _ = writeln!(text, "\n{} more: --limit", causes.len() - shown);
    }
    text
}

impl ShowArgs {
    async fn run(
        self,
        failed: &FailedJobs,
        now: DateTime<Utc>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let Some(details) = failed.show(self.id).await? else {
            return Err(CommandError::NotParked(vec![self.id]));
        };
        if self.json {
            return write_json(output, &details);
        }
        output.write_all(details_text(&details, now).as_bytes())?;
        Ok(())
    }
}

fn details_text(details: &FailedDetails, now: DateTime<Utc>) -> String {
    let at = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let job = &details.job;
    let delivery = &details.delivery;
    let optional = [
        ("causation", delivery.causation_id.map(|id| id.to_string())),
        ("deadline", details.expires_at.map(at)),
        ("unique key", details.unique_key.clone()),
        ("order key", details.order_key.clone()),
        ("trace", details.trace.clone()),
    ];
    let rows = [
        ("id", job.id.to_string()),
        ("event", format!("{}, version {}", job.event, job.version)),
        ("listener", job.listener.clone()),
        ("queue", job.queue.clone()),
        (
            "reason",
            format!(
                "{}, after {}",
                reason(&job.reason),
                counted(job.attempts.into(), "attempt")
            ),
        ),
        (
            "parked",
            format!("{}, {} ago", at(job.parked_at), age(now - job.parked_at)),
        ),
        ("due", at(details.run_at)),
        ("dispatched", at(delivery.at)),
        ("delivery", delivery.id.to_string()),
        ("correlation", delivery.correlation_id.to_string()),
    ]
    .into_iter()
    .chain(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let mut text = format!("job {}\n", job.number);
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:<12}{}", on_one_line(&value));
    }
    let _ = write!(text, "  error\n{}", indented(&job.error));
    let _ = write!(text, "  payload\n{}", indented(&details.payload));
    text
}

/// What became of the jobs that were meant, as `--json` prints it.
#[derive(Default, Serialize)]
struct Decided {
    #[serde(skip_serializing_if = "Option::is_none")]
    retried: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forgotten: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_parked: Vec<String>,
}

impl Decided {
    fn print(self, json: bool, output: &mut impl Write) -> Result<(), CommandError> {
        if json {
            return write_json(output, &self);
        }
        for (count, verb) in [(self.retried, "retried"), (self.forgotten, "forgotten")] {
            if let Some(count) = count {
                writeln!(output, "{} {verb}", counted(count, "job"))?;
            }
        }
        Ok(())
    }
}

/// Decides about each of the jobs that are named; gives the number of those that were parked, and the others.
async fn each(
    ids: Vec<JobId>,
    decide: impl AsyncFn(JobId) -> Result<bool, crate::store::StoreError>,
) -> Result<(u64, Vec<JobId>), CommandError> {
    let (mut count, mut not_parked) = (0, Vec::new());
    for id in ids {
        if decide(id).await? {
            count += 1;
        } else {
            not_parked.push(id);
        }
    }
    Ok((count, not_parked))
}

fn all_were_parked(not_parked: Vec<JobId>) -> Result<(), CommandError> {
    if not_parked.is_empty() {
        return Ok(());
    }
    Err(CommandError::NotParked(not_parked))
}

impl RetryArgs {
    async fn run(
        self,
        failed: &FailedJobs,
        now: DateTime<Utc>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let (retried, not_parked) = if self.ids.is_empty() {
            let filter = self.filter.filter(now);
            (failed.retry_all(&filter).await?, Vec::new())
        } else {
            each(self.ids, async |id| failed.retry(id).await).await?
        };
        let decided = Decided {
            retried: Some(retried),
            not_parked: not_parked.iter().map(JobId::to_string).collect(),
            ..Decided::default()
        };
        decided.print(self.json, output)?;
        all_were_parked(not_parked)
    }
}

impl ForgetArgs {
    async fn run(self, failed: &FailedJobs, output: &mut impl Write) -> Result<(), CommandError> {
        let (forgotten, not_parked) = each(self.ids, async |id| failed.forget(id).await).await?;
        let decided = Decided {
            forgotten: Some(forgotten),
            not_parked: not_parked.iter().map(JobId::to_string).collect(),
            ..Decided::default()
        };
        decided.print(self.json, output)?;
        all_were_parked(not_parked)
    }
}

impl FlushArgs {
    async fn run(
        self,
        failed: &FailedJobs,
        now: DateTime<Utc>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let filter: FailedFilter = self.filter.filter(now);
        let decided = Decided {
            forgotten: Some(failed.flush(&filter).await?),
            ..Decided::default()
        };
        decided.print(self.json, output)
    }
}
