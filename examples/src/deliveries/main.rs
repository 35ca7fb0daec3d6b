//! The main example: deliveries of GitHub webhooks become typed events, and listeners of every kind hear them.
//!
//! To be read in this order: `events` (what can happen), `listeners` (what is done about it), `input` (how a line
//! becomes an event), `report` (what is printed), and `run` below.

mod events;
mod input;
mod listeners;
mod report;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use events_core::{Events, MemoryQueue};

use crate::input::Delivery;
use crate::listeners::{Contributors, Pager};
use crate::report::Report;

/// Turns deliveries of GitHub webhooks into typed events.
#[derive(Parser)]
struct Args {
    /// A file of deliveries, one JSON object a line: `headers` and `body`, the body as a string.
    #[arg(long, value_name = "FILE")]
    deliveries: Option<PathBuf>,
}

/// A few deliveries of our own, for a run without arguments.
const OWN: &str = include_str!("own.jsonl");

fn main() -> ExitCode {
    let args = Args::parse();
    match start(args.deliveries.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(file: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let input: Box<dyn BufRead> = match file {
        None => Box::new(Cursor::new(OWN)),
        Some(path) => {
            let opened = File::open(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            Box::new(BufReader::new(opened))
        }
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?
        .block_on(run(input))
}

async fn run(input: impl BufRead) -> Result<(), Box<dyn std::error::Error>> {
    let queue = MemoryQueue::new();
    let events = Events::builder()
        .state(Report::default())
        .state(Contributors::default())
        .state(Pager::default())
        .queue(queue.clone())
        .build()?;
    let report = events
        .state::<Report>()
        .ok_or("the report was given above")?;

    let (mut read, mut dispatched) = (0_u32, 0_u32);
    for (number, line) in (1_u32..).zip(input.split(b'\n')) {
        let line = line.map_err(|error| format!("cannot read line {number}: {error}"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        read += 1;
        let delivery = match Delivery::parse(&line) {
            Ok(delivery) => delivery,
            Err(error) => {
                eprintln!("line {number} was refused: {error}");
                continue;
            }
        };
        report.next_delivery(number);
        // A listener that fails stops neither the others nor us; the report counts it.
        match delivery.dispatch(&events).await {
            Ok(()) => dispatched += 1,
            Err(error) if error.refusal().is_some() => {
                eprintln!("line {number} was refused: {error}");
            }
            Err(error) => {
                dispatched += 1;
                report.failed(error.failures());
            }
        }
    }
    drain(&queue, &events, report).await;

    report.print_table();
    println!(
        "deliveries: {read} read, {dispatched} dispatched, {} refused",
        read - dispatched
    );
    Ok(())
}

/// Runs the queued listeners, waiting for the attempts that are put off, until nothing is left to run.
async fn drain(queue: &MemoryQueue, events: &Events, report: &Report) {
    report.now_the_queue();
    loop {
        queue.drain(events).await;
        let Some(due) = queue.next_due() else { break };
        let wait = (due - events.now()).to_std().unwrap_or_default();
        tokio::time::sleep(wait).await;
    }
    for parked in queue.parked() {
        report.parked(&parked);
    }
}
