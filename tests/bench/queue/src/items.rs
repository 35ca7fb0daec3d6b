//! A whole sync run, from its start until it is closed, beside the bare statements that any such engine must make: a
//! multi-row insert of each chunk of 500 items that leaves out what the run has already, by a unique index; a claim that
//! counts the attempt and raises a fence; and the acknowledgement that matches it, a hundred items a transaction. And the
//! same run in four sizes, with the most memory that its process ever had: each in a process of its own, which is this
//! program again.

use std::process::Command;
use std::time::{Duration, Instant};

use events_core::{Event, Events, listener};
use events_std::{
    Integration, Integrations, NewIntegration, NoCredentials, NoMetadata, Provider, RunState,
    ScheduledSync, StoreOptions, SyncError, SyncItemEvent, SyncSession, SyncStart, Worker,
    provider,
};

use crate::bare::Bare;
use crate::base::{Base, Setting};
use crate::figures::{keep, line, time_of};
use crate::{BATCH, Error};

/// The word that makes this program one run of one size.
pub const RUN: &str = "one-sync-run";

const ITEMS: u32 = 20_000;
/// What a session stores at once.
const CHUNK: u32 = 500;
const RUNS: usize = 3;
const BOUND: f64 = 0.6;
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

#[derive(Clone, Debug, Event)]
#[event(durable, name = "bench.item", extends(SyncItemEvent))]
struct ItemSynced {
    #[event(model)]
    integration: Integration,
    number: u32,
    text: String,
}

#[listener(ItemSynced)]
async fn nothing(event: &ItemSynced) {
    std::hint::black_box((event.integration.id, event.number, event.text.len()));
}

/// Finds so many items.
struct Shop(u32);

#[provider(ScheduledSync, instance)]
impl Provider for Shop {
    const KEY: &'static str = "bench";
    const NAME: &'static str = "Bench";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

impl ScheduledSync for Shop {
    async fn sync(
        &self,
        integration: &Integration,
        session: &mut SyncSession,
    ) -> Result<(), SyncError> {
        for number in 0..self.0 {
            let event = ItemSynced {
                integration: integration.clone(),
                number,
                text: "some ninety bytes of payload, as in the study".to_owned(),
            };
            let item = session.item().external_id(number).checkpoint(number);
            item.dispatch(event).await?;
        }
        Ok(())
    }
}

/// Starts a run and works at it until it is closed: how long its items took to be found, and then to be worked at.
async fn sync(store: &events_std::Store, items: u32) -> Result<[Duration; 2], Error> {
    let engine = Integrations::builder(store)
        .without_linked()
        .provider(Shop(items))
        .build()?;
    let events = Events::builder()
        .only_linked_in(module_path!())
        .state(engine.clone())
        .queue(store.queue())
        .build()?;
    let engine = engine.with_events(&events);
    let integration = engine
        .create(NewIntegration::new(Shop::KEY, "Bench"))
        .await?;
    let start = Instant::now();
    let SyncStart::Enumerated(run) = engine.sync(integration.id).await? else {
        return Err("the run did not start".into());
    };
    let found = start.elapsed();
    let start = Instant::now();
    Worker::new(&events, store)
        .sync_items(&engine)
        .concurrency(BATCH as usize)
        .drain()
        .await?;
    let worked = start.elapsed();
    let run = engine.sync_run(run.id).await?.ok_or("the run is stored")?;
    let progress = engine.progress(run.id).await?;
    if run.state != RunState::Closed || progress.done != u64::from(items) {
        return Err(format!("not all items ended well: {run:?}").into());
    }
    Ok([found, worked])
}

/// Prints items a second, and the ratio to the bare statements: of a whole run, and of its two halves.
pub async fn report(setting: &Setting) -> Result<(), Error> {
    let (mut whole, mut found, mut worked) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    for _ in 0..RUNS {
        let base = Base::new(setting).await?;
        let floor = Bare::of_items(&base).await?;
        let ours = sync(&base.store, ITEMS).await?;
        let least = [
            time_of(floor.push_items(ITEMS, CHUNK)).await?,
            time_of(floor.process(BATCH)).await?,
        ];
        for (side, [finding, working]) in [ours, least].into_iter().enumerate() {
            keep(&mut whole[side], ITEMS, finding + working);
            keep(&mut found[side], ITEMS, finding);
            keep(&mut worked[side], ITEMS, working);
        }
        base.remove().await?;
    }
    line(setting, "items through a whole run", whole, Some(BOUND));
    line(setting, "items found", found, None);
    line(setting, "items worked at", worked, None);
    Ok(())
}

/// One run in a process of its own: prints the seconds that it took, and the most memory it ever had, in KiB.
pub async fn run(mut words: impl Iterator<Item = String>) -> Result<(), Error> {
    let url = words.next().ok_or("an address")?;
    let items = words.next().ok_or("a number of items")?.parse()?;
    let store = StoreOptions::new(&url).connect().await?;
    let start = Instant::now();
    sync(&store, items).await?;
    println!("{} {}", start.elapsed().as_secs_f64(), peak_memory()?);
    Ok(())
}

/// In KiB.
fn peak_memory() -> Result<u64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number
        .ok_or("the system tells the peak of memory")?
        .parse()?)
}

/// Prints the time of an item and the peak of memory, by the size of the run.
pub async fn report_sizes(setting: &Setting) -> Result<(), Error> {
    let (mut times, mut peaks) = (Vec::new(), Vec::new());
    for items in SIZES {
        let base = Base::new(setting).await?;
        let output = Command::new(std::env::current_exe()?)
            .args([RUN, &base.url, &items.to_string()])
            .output()?;
        base.remove().await?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let text = String::from_utf8(output.stdout)?;
        let (seconds, peak) = text.trim().split_once(' ').ok_or("two numbers")?;
        let each = Duration::from_secs_f64(seconds.parse::<f64>()? / f64::from(items));
        let peak: f64 = peak.parse()?;
        println!(
            "{:<16} {items:>9} items: {each:>10.1?} each, {:.0} MiB at most",
            setting.name(),
            peak / 1_024.0
        );
        times.push(each.as_secs_f64());
        peaks.push(peak);
    }
    println!(
        "{:<16} time of an item, last to first: {:.2} (at most 1.30); memory, last to second: {:.2} (at most 1.50)",
        setting.name(),
        times[3] / times[0],
        peaks[3] / peaks[1]
    );
    Ok(())
}
