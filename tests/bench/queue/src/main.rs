//! `cargo run --release --manifest-path tests/bench/queue/Cargo.toml` prints what the durable queue does in a second,
//! and its ratio to the bare statements that any such queue must make, on the same database and settings in the same
//! run. With `EVENTS_TEST_POSTGRES_URL` set it measures Postgres too. Words after `--` choose other parts, and
//! databases: `tests/bench/README.md` lists them.

mod bare;
mod base;
mod choice;
mod claims;
mod deliveries;
mod figures;
mod filled;
mod items;
mod latency;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod processes;
mod pushers;

use std::time::Duration;

use base::Setting;
use choice::{Choice, Part};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Jobs that are pushed one a transaction.
const SINGLES: u32 = 2_000;
/// Jobs that are pushed a hundred a transaction, and processed.
const MANY: u32 = 20_000;
/// A batch.
const BATCH: u32 = 100;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1).peekable();
    if words.peek().is_some_and(|word| word == processes::WORKER) {
        return processes::work().await;
    }
    if words.next_if(|word| word == items::RUN).is_some() {
        return items::run(words).await;
    }
    let choice = Choice::from_words(words)?;
    let mut settings = vec![Setting::SqliteFull, Setting::SqliteNormal];
    match std::env::var("EVENTS_TEST_POSTGRES_URL") {
        Ok(url) => settings.push(Setting::Postgres(url)),
        Err(_) => eprintln!("SKIPPED Postgres: EVENTS_TEST_POSTGRES_URL is not set"),
    }
    let settings = choice.of(settings);
    if choice.has(Part::Push) || choice.has(Part::Process) {
        figures::head("bare/s");
    }
    for setting in &settings {
        figures::report(setting, &choice).await?;
    }
    if choice.has(Part::Processes) {
        for setting in &settings {
            processes::report(setting).await?;
        }
    }
    #[cfg(feature = "peers")]
    if choice.has(Part::Peers) {
        figures::head("apalis/s");
        for setting in &settings {
            peers::report(setting).await?;
        }
    }
    if choice.has(Part::Items) {
        figures::head("bare/s");
        for setting in &settings {
            items::report(setting).await?;
        }
    }
    if choice.has(Part::Sizes) {
        for setting in &settings {
            items::report_sizes(setting).await?;
        }
    }
    if choice.has(Part::Deliveries) {
        figures::head("bare/s");
        for setting in &settings {
            deliveries::report(setting).await?;
        }
    }
    if choice.has(Part::Claims) {
        claims::head();
        for setting in settings {
            // On one thread a batch ends as a whole, so that each turn claims as many.
            tokio::task::spawn_blocking(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?
                    .block_on(claims::report(&setting))
            })
            .await??;
        }
    }
    Ok(())
}

/// The median and the 99th percentile, in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at =
        |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    (at(50), at(99))
}
