//! How long after its push a job starts in another process, on Postgres: this program again, as an idle worker.
//! Both read the clock of one machine.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use events_core::{Event, Events, listener};
use events_std::{StoreOptions, Worker};
use tokio::sync::mpsc;

use crate::base::{Base, Setting};
use crate::{Error, percentiles};

const PUSHES: u32 = 200;

/// The word that makes this program a worker.
pub const WORKER: &str = "work-for-another-process";

#[derive(Clone, Debug, Event)]
#[event(durable, name = "bench.timed_elsewhere")]
struct TimedElsewhere {
    number: u32,
}

#[listener(TimedElsewhere, queue = "elsewhere")]
async fn started(event: &TimedElsewhere) {
    let at = now();
    println!("{} {}", event.number, at.as_nanos());
}

/// Since 1970.
fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Prints the median and the 99th percentile.
pub async fn report(setting: &Setting) -> Result<(), Error> {
    if !matches!(setting, Setting::Postgres(_)) {
        return Ok(());
    }
    let base = Base::new(setting).await?;
    let events = Events::builder()
        .only_linked_in(module_path!())
        .queue(base.store.queue())
        .build()?;
    let (mut child, mut told) = start(&base.url)?;
    let mut times = Vec::new();
    for number in 0..PUSHES {
        // An idle worker: it has nothing to end or to claim.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let before = now();
        events.dispatch(&TimedElsewhere { number }).await?;
        let (of, at) = told.recv().await.ok_or("the other process works")?;
        if of != number {
            return Err(format!("job {of} ran, {number} was pushed").into());
        }
        // The first finds a process that starts.
        if number > 0 {
            times.push(at.saturating_sub(before));
        }
    }
    // Its input ends: it stops.
    drop(child.stdin.take());
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("the other process ended with {status}").into());
    }
    base.remove().await?;
    let (median, late) = percentiles(times);
    println!(
        "{:<16} push to start in another process: median {median:.2} ms (bound 5), 99th percentile {late:.2} ms",
        setting.name()
    );
    Ok(())
}

/// Starts the other process. The address goes through its input: arguments are there for all to read.
fn start(url: &str) -> Result<(Child, mpsc::UnboundedReceiver<(u32, Duration)>), Error> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(WORKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input = child.stdin.as_mut().ok_or("an input")?;
    writeln!(input, "{url}")?;
    let output = BufReader::new(child.stdout.take().ok_or("an output")?);
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let Some((number, at)) = line.split_once(' ') else {
                continue;
            };
            if let (Ok(number), Ok(at)) = (number.parse(), at.parse()) {
                let _ = tell.send((number, Duration::from_nanos(at)));
            }
        }
    });
    Ok((child, told))
}

/// What the other process does: works until its input ends.
pub async fn work() -> Result<(), Error> {
    let mut url = String::new();
    std::io::stdin().read_line(&mut url)?;
    let store = StoreOptions::new(url.trim_end())
        .without_migrations()
        .connect()
        .await?;
    let events = Events::builder()
        .only_linked_in(module_path!())
        .queue(store.queue())
        .build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(stop);
    });
    Worker::new(&events, &store)
        .run_until(async {
            let _ = stopped.await;
        })
        .await?;
    store.close().await?;
    Ok(())
}
