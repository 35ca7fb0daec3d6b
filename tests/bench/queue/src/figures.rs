//! Push and process beside the bare statements, and latency.

use std::time::{Duration, Instant};

use crate::base::{Base, Setting};
use crate::choice::{Choice, Part};
use crate::{BATCH, Error, MANY, SINGLES, bare, latency, ours, pushers};

/// Each figure is the best of so many runs: noise only ever slows.
const RUNS: usize = 3;
/// The same of processing, where each run has one measurement of a side only; whose comes first alternates.
const PROCESS_RUNS: usize = 8;
/// Pushes of both sides take turns, so many in a run: a disk is not equally fast all the time.
const TURNS: u32 = 10;

/// Measures what was chosen of one database.
pub async fn report(setting: &Setting, choice: &Choice) -> Result<(), Error> {
    let [single, hundred, processed] = setting.bounds();
    if choice.has(Part::Push) {
        push(setting, [single, hundred]).await?;
    }
    if choice.has(Part::Process) {
        process(setting, processed).await?;
    }
    if choice.has(Part::Start) {
        let base = Base::new(setting).await?;
        latency::report(setting, &base).await?;
        base.remove().await?;
    }
    if choice.has(Part::Pushers) && !matches!(setting, Setting::Postgres(_)) {
        let base = Base::new(setting).await?;
        pushers::report(setting, &base).await?;
        base.remove().await?;
    }
    Ok(())
}

async fn push(setting: &Setting, bounds: [f64; 2]) -> Result<(), Error> {
    let (mut singles, mut hundreds) = ([0.0; 2], [0.0; 2]);
    for _ in 0..RUNS {
        let base = Base::new(setting).await?;
        let floor = bare::Bare::new(&base).await?;
        let ours = ours::Ours::new(&base)?;
        let (mut one, mut hundred) = ([Duration::ZERO; 2], [Duration::ZERO; 2]);
        for _ in 0..TURNS {
            let jobs = SINGLES / TURNS;
            one[0] += time_of(ours.push_singles(jobs)).await?;
            one[1] += time_of(floor.push_singles(jobs)).await?;
        }
        ours.clear().await?;
        floor.clear().await?;
        for _ in 0..TURNS {
            let jobs = MANY / TURNS;
            hundred[0] += time_of(ours.push_batches(jobs, BATCH)).await?;
            hundred[1] += time_of(floor.push_batches(jobs, BATCH)).await?;
        }
        for side in 0..2 {
            keep(&mut singles[side], SINGLES, one[side]);
            keep(&mut hundreds[side], MANY, hundred[side]);
        }
        base.remove().await?;
    }
    line(setting, "push, 1 a transaction", singles, Some(bounds[0]));
    line(
        setting,
        "push, 100 a transaction",
        hundreds,
        Some(bounds[1]),
    );
    Ok(())
}

async fn process(setting: &Setting, bound: f64) -> Result<(), Error> {
    let mut rates = [0.0; 2];
    for run in 0..PROCESS_RUNS {
        let base = Base::new(setting).await?;
        let floor = bare::Bare::new(&base).await?;
        let ours = ours::Ours::new(&base)?;
        ours.push_batches(MANY, BATCH).await?;
        floor.push_batches(MANY, BATCH).await?;
        for side in [run % 2, (run + 1) % 2] {
            let took = match side {
                0 => time_of(ours.process(BATCH)).await?,
                _ => time_of(floor.process(BATCH)).await?,
            };
            keep(&mut rates[side], MANY, took);
        }
        ours.expect_done(MANY).await?;
        base.remove().await?;
    }
    line(setting, "process, batches of 100", rates, Some(bound));
    Ok(())
}

/// The head of the lines.
pub fn head(other: &str) {
    println!(
        "{:<16} {:<32} {:>10} {:>10} {:>7} {:>7}",
        "database", "what", "ours/s", other, "ratio", "bound"
    );
}

/// How long it takes.
pub async fn time_of(run: impl Future<Output = Result<(), Error>>) -> Result<Duration, Error> {
    let start = Instant::now();
    run.await?;
    Ok(start.elapsed())
}

/// Keeps the best rate, in jobs a second.
pub fn keep(rate: &mut f64, jobs: u32, took: Duration) {
    *rate = rate.max(f64::from(jobs) / took.as_secs_f64());
}

/// A line of the table.
pub fn line(setting: &Setting, what: &str, [ours, other]: [f64; 2], bound: Option<f64>) {
    let bound = bound.map_or_else(|| "-".to_owned(), |bound| format!("{bound:.2}"));
    println!(
        "{:<16} {what:<32} {ours:>10.0} {other:>10.0} {:>7.2} {bound:>7}",
        setting.name(),
        ours / other
    );
}
