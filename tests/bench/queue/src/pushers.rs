//! SQLite with four pushers and a worker in one process.

use std::time::Instant;

use events_core::Events;
use events_std::Worker;

use crate::base::{Base, Setting};
use crate::ours::Benched;
use crate::{Error, percentiles};

const PUSHERS: u32 = 4;
const EACH: u32 = 500;

/// Prints the errors, and how long a push takes.
pub async fn report(setting: &Setting, base: &Base) -> Result<(), Error> {
    let events = Events::builder()
        .only_linked_in("events_bench_queue::ours")
        .queue(base.store.queue())
        .build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = Worker::new(&events, &base.store).concurrency(100);
    let running = tokio::spawn(worker.run_until(async {
        let _ = stopped.await;
    }));
    let mut pushers = Vec::new();
    for _ in 0..PUSHERS {
        let events = events.clone();
        pushers.push(tokio::spawn(async move {
            let (mut times, mut errors) = (Vec::new(), 0_u32);
            for number in 0..EACH {
                let start = Instant::now();
                errors += u32::from(events.dispatch(&Benched::new(number)).await.is_err());
                times.push(start.elapsed());
            }
            (times, errors)
        }));
    }
    let (mut times, mut errors) = (Vec::new(), 0);
    for pusher in pushers {
        let (own, failed) = pusher.await?;
        times.extend(own);
        errors += failed;
    }
    let _ = stop.send(());
    running.await??;
    let (median, late) = percentiles(times);
    println!(
        "{:<16} {PUSHERS} pushers and a worker: {errors} errors (bound 0), push median {median:.2} ms, \
         99th percentile {late:.2} ms (bound 20)",
        setting.name()
    );
    Ok(())
}
