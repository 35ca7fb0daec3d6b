//! Deliveries of GitHub webhooks become typed events, and listeners of every kind hear them.
//!
//! To be read in this order: `events` (what can happen), `listeners` (what is done about it), `input` (how a line
//! becomes an event), `report` (what is printed), and `run` below.

mod events;
mod input;
mod listeners;
mod report;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};
use std::path::Path;

use events_core::{Events, EventsBuilder};
use events_std::Worker;

use crate::{App, Error};
pub(crate) use input::Delivery;
use listeners::{Contributors, Pager};
pub(crate) use report::Report;

/// A few deliveries of our own, for a run without a file.
const OWN: &str = include_str!("own.jsonl");

pub(crate) async fn run(app: &App, file: Option<&Path>) -> Result<(), Error> {
    let input = input(file)?;
    let counts = dispatch_all(&app.events, input).await?;
    report(&app.events)?.now_the_queue();
    Worker::new(&app.events, &app.store).drain().await?;
    finish(&app.events, &counts)
}

/// Gives a dispatcher what the listeners here ask for.
pub(crate) fn states(builder: EventsBuilder) -> EventsBuilder {
    builder
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
