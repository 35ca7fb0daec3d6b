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
use events_core::{Events, EventsBuilder};
use events_std::{Store, Worker};

use crate::input::Delivery;
use crate::listeners::{Contributors, Pager};
use crate::report::Report;

type Error = Box<dyn std::error::Error>;

/// Turns deliveries of GitHub webhooks into typed events.
#[derive(Parser)]
struct Args {
    /// A file of deliveries, one JSON object a line: `headers` and `body`, the body as a string.
    #[arg(long, value_name = "FILE")]
    deliveries: Option<PathBuf>,

    /// Where the jobs of queued listeners are kept, `sqlite:FILE` or `postgres://..`; a file of this run's own unless
    /// given, which it removes at its end.
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,

    /// What an operator does with the store.
    #[command(subcommand)]
    command: Option<events_std::cli::Command>,
}

/// A few deliveries of our own, for a run without arguments.
const OWN: &str = include_str!("own.jsonl");

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(Error::from)
        .and_then(|runtime| runtime.block_on(start(args)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start(args: Args) -> Result<(), Error> {
    match (args.store, args.command) {
        (Some(address), Some(command)) => {
            let store = Store::connect(&address).await?;
            let events = builder().queue(store.queue()).build()?;
            Ok(command.run(&store, &events).await?)
        }
        (None, Some(_)) => Err("say which store: `--store sqlite:FILE`".into()),
        (Some(address), None) => run(&address, args.deliveries.as_deref()).await,
        (None, None) => {
            let folder = tempfile::tempdir()?;
            let address = format!("sqlite:{}", folder.path().join("events.db").display());
            run(&address, args.deliveries.as_deref()).await?;
            Ok(folder.close()?)
        }
    }
}

async fn run(address: &str, file: Option<&Path>) -> Result<(), Error> {
    let input = input(file)?;

    let store = Store::connect(address).await?;
    let events = builder().queue(store.queue()).build()?;
    let counts = dispatch_all(&events, input).await?;
    report(&events)?.now_the_queue();
    Worker::new(&events, &store).drain().await?;

    store.close().await?;
    finish(&events, &counts)
}

/// The dispatcher but for its queue. Nothing here names a listener.
fn builder() -> EventsBuilder {
    Events::builder()
        .state(Report::default())
        .state(Contributors::default())
        .state(Pager::default())
}

fn report(events: &Events) -> Result<&Report, Error> {
    Ok(events.state::<Report>().ok_or("the builder gives it")?)
}

fn input(file: Option<&Path>) -> Result<Box<dyn BufRead>, Error> {
    let Some(path) = file else {
        return Ok(Box::new(Cursor::new(OWN)));
    };
    let opened =
        File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

/// How many deliveries were read, and how many of them dispatched.
struct Counts {
    read: u32,
    dispatched: u32,
}

async fn dispatch_all(events: &Events, input: impl BufRead) -> Result<Counts, Error> {
    let report = report(events)?;
    let (mut read, mut dispatched) = (0, 0);
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
        match delivery.dispatch(events).await {
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
    Ok(Counts { read, dispatched })
}

fn finish(events: &Events, counts: &Counts) -> Result<(), Error> {
    let Counts { read, dispatched } = counts;
    report(events)?.print_table();
    println!(
        "deliveries: {read} read, {dispatched} dispatched, {} refused",
        read - dispatched
    );
    Ok(())
}
