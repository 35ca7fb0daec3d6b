//! `queue`: how the queues stand.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Subcommand;
use events_core::Events;

use super::text::{Column, age, counted, table};
use super::{CommandError, write_json};
use crate::queue::operate::{Lack, QueueStats, UnclaimedJobs};
use crate::store::Store;

#[derive(Clone, Debug, Subcommand)]
pub(super) enum QueueCommand {
    /// How many jobs there are in each state, who works, and what nobody knows
    Stats {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl QueueCommand {
    pub(super) async fn run(
        self,
        store: &Store,
        events: &Events,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let Self::Stats { json } = self;
        let stats = store.queue_stats(events).await?;
        if json {
            return write_json(output, &stats);
        }
        let text = format!(
            "{}\n{}{}",
            depths(&stats),
            workers(&stats),
            unclaimed(&stats)
        );
        output.write_all(text.as_bytes())?;
        Ok(())
    }
}

fn depths(stats: &QueueStats) -> String {
    if stats.queues.is_empty() {
        return "no jobs\n".to_owned();
    }
    let rows = stats.queues.iter().map(|queue| {
        let oldest = queue.oldest_due.map(|since| age(stats.at - since));
        [
            queue.queue.clone(),
            queue.due.to_string(),
            queue.waiting.to_string(),
            queue.running.to_string(),
            queue.parked.to_string(),
            queue.done.to_string(),
            oldest.unwrap_or_else(|| "-".to_owned()),
            queue.attempts.to_string(),
        ]
    });
    table(
        [
            Column::Text("QUEUE"),
            Column::Number("DUE"),
            Column::Number("WAITING"),
            Column::Number("RUNNING"),
            Column::Number("PARKED"),
            Column::Number("DONE"),
            Column::Number("OLDEST DUE"),
            Column::Number("ATTEMPTS"),
        ],
        rows,
    )
}

fn workers(stats: &QueueStats) -> String {
    if stats.workers.is_empty() {
        return "no worker is alive\n".to_owned();
    }
    let rows = stats.workers.iter().map(|worker| {
        [
            worker.name.clone(),
            worker.host.clone(),
            worker.process.to_string(),
            worker.running.to_string(),
            worker.queues.join(" "),
            age(stats.at - worker.started_at),
            age(stats.at - worker.heartbeat_at),
        ]
    });
    table(
        [
            Column::Text("WORKER"),
            Column::Text("HOST"),
            Column::Number("PROCESS"),
            Column::Number("RUNNING"),
            Column::Text("QUEUES"),
            Column::Number("UP FOR"),
            Column::Number("HEARTBEAT"),
        ],
        rows,
    )
}

/// What no worker will claim. Where nobody is alive, only what is not known here is worth a word.
fn unclaimed(stats: &QueueStats) -> String {
    let told = |lack| -> Vec<&UnclaimedJobs> {
        let jobs = stats.unclaimed.iter().filter(|jobs| jobs.lack == lack);
        jobs.filter(|jobs| !(stats.workers.is_empty() && jobs.known_here))
            .collect()
    };
    let unknown = "that no live worker knows: parked when due for 7 days";
    let unserved = "in queues that no worker serves";
    waiting(&told(Lack::Knowledge), unknown, stats.at)
        + &waiting(&told(Lack::Service), unserved, stats.at)
}

fn waiting(jobs: &[&UnclaimedJobs], what: &str, now: DateTime<Utc>) -> String {
    if jobs.is_empty() {
        return String::new();
    }
    let total = counted(jobs.iter().map(|jobs| jobs.count).sum(), "pending job");
    let rows = jobs.iter().map(|jobs| {
        [
            jobs.count.to_string(),
            jobs.queue.clone(),
            jobs.event.clone(),
            jobs.version.to_string(),
            jobs.listener.clone(),
            age(now - jobs.oldest),
            if jobs.known_here { "yes" } else { "no" }.to_owned(),
        ]
    });
    let table = table(
        [
            Column::Number("JOBS"),
            Column::Text("QUEUE"),
            Column::Text("EVENT"),
            Column::Number("VERSION"),
            Column::Text("LISTENER"),
            Column::Number("OLDEST"),
            Column::Text("KNOWN HERE"),
        ],
        rows,
    );
    format!("\n{total} {what}\n\n{table}")
}
