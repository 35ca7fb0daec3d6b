//! `cargo run --release --manifest-path tests/bench/queue/Cargo.toml` prints what the durable queue does in a second,
//! and its ratio to the bare statements that any such queue must make, on the same database and settings in the same
//! run. With `EVENTS_TEST_POSTGRES_URL` set it measures Postgres too.

mod bare;
mod base;
mod latency;
mod ours;
mod pushers;

use std::time::{Duration, Instant};

use base::{Base, Setting};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Jobs that are pushed one a transaction.
const SINGLES: u32 = 2_000;
/// Jobs that are pushed a hundred a transaction, and processed.
const MANY: u32 = 20_000;
/// A batch.
const BATCH: u32 = 100;
/// Each figure is the best of so many runs: noise only ever slows.
const RUNS: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Error> {
    println!(
        "{:<16} {:<28} {:>10} {:>10} {:>7} {:>7}",
        "database", "what", "ours/s", "bare/s", "ratio", "bound"
    );
    let mut settings = vec![Setting::SqliteFull, Setting::SqliteNormal];
    match std::env::var("EVENTS_TEST_POSTGRES_URL") {
        Ok(url) => settings.push(Setting::Postgres(url)),
        Err(_) => eprintln!("SKIPPED Postgres: EVENTS_TEST_POSTGRES_URL is not set"),
    }
    for setting in settings {
        measure(&setting).await?;
    }
    Ok(())
}

async fn measure(setting: &Setting) -> Result<(), Error> {
    let bounds = setting.bounds();
    let (mut singles, mut hundreds, mut process) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    for _ in 0..RUNS {
        let base = Base::new(setting).await?;
        let floor = bare::Bare::new(&base).await?;
        let ours = ours::Ours::new(&base)?;
        best(&mut singles[0], SINGLES, ours.push_singles(SINGLES)).await?;
        best(&mut singles[1], SINGLES, floor.push_singles(SINGLES)).await?;
        ours.clear().await?;
        floor.clear().await?;
        best(&mut hundreds[0], MANY, ours.push_batches(MANY, BATCH)).await?;
        best(&mut hundreds[1], MANY, floor.push_batches(MANY, BATCH)).await?;
        best(&mut process[0], MANY, ours.process(BATCH)).await?;
        best(&mut process[1], MANY, floor.process(BATCH)).await?;
        ours.expect_done(MANY).await?;
        base.remove().await?;
    }
    line(setting, "push, 1 a transaction", singles, bounds[0]);
    line(setting, "push, 100 a transaction", hundreds, bounds[1]);
    line(setting, "process, batches of 100", process, bounds[2]);

    let base = Base::new(setting).await?;
    latency::report(setting, &base).await?;
    base.remove().await?;
    if !matches!(setting, Setting::Postgres(_)) {
        let base = Base::new(setting).await?;
        pushers::report(setting, &base).await?;
        base.remove().await?;
    }
    Ok(())
}

/// Keeps the best rate, in jobs a second.
async fn best(
    rate: &mut f64,
    jobs: u32,
    run: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    let start = Instant::now();
    run.await?;
    *rate = rate.max(f64::from(jobs) / start.elapsed().as_secs_f64());
    Ok(())
}

fn line(setting: &Setting, what: &str, [ours, bare]: [f64; 2], bound: f64) {
    println!(
        "{:<16} {what:<28} {ours:>10.0} {bare:>10.0} {:>7.2} {bound:>7.2}",
        setting.name(),
        ours / bare
    );
}

/// The median and the 99th percentile, in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at =
        |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    (at(50), at(99))
}
