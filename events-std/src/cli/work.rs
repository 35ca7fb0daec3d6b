//! `work`: runs queued listeners.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use events_core::Events;
use serde::Serialize;

use super::text::counted;
use super::{CommandError, stopped, write_json};
use crate::integration::Integrations;
use crate::queue::operate::QueueStats;
use crate::queue::{Left, Worker};
use crate::store::{Store, StoreError};

/// How long the database may take to say how the queues stand, when the work has ended.
const ANSWER: Duration = Duration::from_secs(10);

#[derive(Args, Clone, Debug)]
pub(super) struct WorkArgs {
    /// Only these queues, the first before the others, and no sync items; all that the listeners of this program name
    /// unless given
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    queues: Vec<String>,
    /// How many jobs run at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    concurrency: usize,
    /// How many jobs of one queue run at once, such as `mail=2`; may be given for several
    #[arg(long = "limit", value_name = "QUEUE=N", value_parser = limit)]
    limits: Vec<(String, usize)>,
    /// Stop when no job that this program knows is pending or running any more
    #[arg(long)]
    drain: bool,
    /// Print JSON when it ends
    #[arg(long)]
    json: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one job must run at once".to_owned()),
        Ok(jobs) => Ok(jobs),
        Err(error) => Err(format!("{error}")),
    }
}

fn limit(text: &str) -> Result<(String, usize), String> {
    let (queue, jobs) = text
        .rsplit_once('=')
        .filter(|(queue, _)| !queue.is_empty())
        .ok_or("a queue and a number are wanted, such as `mail=2`")?;
    Ok((queue.to_owned(), at_least_one(jobs)?))
}

/// How the store stands when the work ends.
#[derive(Serialize)]
struct Standing {
    ended: u64,
    released: usize,
    held: usize,
    abandoned: usize,
    /// With those that other workers run.
    pending: u64,
    done: u64,
    parked: u64,
}

impl WorkArgs {
    pub(super) async fn run(
        self,
        store: &Store,
        events: &Events,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let served = self.served(events);
        if let Some((queue, _)) = self
            .limits
            .iter()
            .find(|(queue, _)| !served.contains(queue))
        {
            return Err(CommandError::NotServed {
                queue: queue.clone(),
                served: served.into_iter().collect(),
            });
        }
        let mut worker = Worker::new(events, store)
            .queues(self.queues.iter().cloned())
            .concurrency(self.concurrency);
        for (queue, jobs) in &self.limits {
            worker = worker.limit(queue, *jobs);
        }
        // Items belong to no queue: who names queues wants those alone.
        if let Some(integrations) = events.state::<Integrations>()
            && self.queues.is_empty()
        {
            worker = worker.sync_items(integrations);
        }
        if !self.json {
            writeln!(output, "{}", self.greeting())?;
        }
        let stopped = stopped()?;
        let left = if self.drain {
            worker.drain_until(stopped).await?
        } else {
            worker.run_until(stopped).await?
        };
        let stats = store.queue_stats(events);
        let Ok(stats) = tokio::time::timeout(ANSWER, stats).await else {
            if !self.json {
                writeln!(output, "{}", attempts(left))?;
            }
            return Err(StoreError::NoAnswer(ANSWER).into());
        };
        let standing = standing(left, &stats?);
        if self.json {
            return write_json(output, &standing);
        }
        output.write_all(text(&standing, left).as_bytes())?;
        Ok(())
    }

    /// The queues that it serves.
    fn served(&self, events: &Events) -> BTreeSet<String> {
        if self.queues.is_empty() {
            let known = events.claimable();
            known.iter().map(|known| known.queue.to_owned()).collect()
        } else {
            self.queues.iter().cloned().collect()
        }
    }

    fn greeting(&self) -> String {
        let queues = match &*self.queues {
            [] => "all queues".to_owned(),
            queues => format!("the queues {}", queues.join(", ")),
        };
        let until = if self.drain {
            "until nothing is pending"
        } else {
            "until stopped"
        };
        format!(
            "working on {queues}, {} at once, {until}",
            counted_jobs(self.concurrency)
        )
    }
}

fn counted_jobs(jobs: usize) -> String {
    counted(u64::try_from(jobs).unwrap_or(u64::MAX), "job")
}

fn standing(left: Left, stats: &QueueStats) -> Standing {
    let sum = |count: fn(&crate::queue::operate::QueueDepth) -> u64| -> u64 {
        stats.queues.iter().map(count).sum()
    };
    Standing {
        ended: left.ended,
        released: left.released,
        held: left.held,
        abandoned: left.abandoned,
        pending: sum(|queue| queue.pending() + queue.running),
        done: sum(|queue| queue.done),
        parked: sum(|queue| queue.parked),
    }
}

fn text(standing: &Standing, left: Left) -> String {
    let Standing {
        pending,
        done,
        parked,
        ..
    } = standing;
    let attempts = attempts(left);
    format!("{attempts}\njobs: {pending} pending, {done} done, {parked} parked\n")
}

fn attempts(left: Left) -> String {
    let mut text = format!("attempts: {} ended", left.ended);
    if left.released > 0 {
        let _ = write!(text, ", {} given back", left.released);
    }
    if left.held > 0 {
        let _ = write!(text, ", {} left for others to find", left.held);
    }
    if left.abandoned > 0 {
        let _ = write!(text, ", {} hang", left.abandoned);
    }
    text
}
