//! How long after its push a job starts, with an idle worker in the same process.

use std::time::{Duration, Instant};

use events_core::{Event, Events, State, listener};
use events_std::Worker;
use tokio::sync::mpsc;

use crate::bare::Bare;
use crate::base::{Base, Setting};
use crate::{Error, percentiles};

const PUSHES: u32 = 200;

/// Between two pushes.
const IDLE: Duration = Duration::from_millis(5);

#[derive(Clone, Debug, Event)]
#[event(durable, name = "bench.timed")]
struct Timed {
    number: u32,
}

#[listener(Timed, queue = "timed")]
async fn started(event: &Timed, started: &State<mpsc::UnboundedSender<(u32, Instant)>>) {
    let _ = started.send((event.number, Instant::now()));
}

/// Prints the median and the 99th percentile, and those of what no queue goes without, in turns with it: a push, and a
/// claim that nobody has to be woken for.
pub async fn report(setting: &Setting, base: &Base) -> Result<(), Error> {
    let (tell, mut told) = mpsc::unbounded_channel::<(u32, Instant)>();
    let events = Events::builder()
        .only_linked_in(module_path!())
        .state(tell)
        .queue(base.store.queue())
        .build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = Worker::new(&events, &base.store);
    let running = tokio::spawn(worker.run_until(async {
        let _ = stopped.await;
    }));
    let floor = Bare::new(base).await?;
    let (mut times, mut of_bare) = (Vec::new(), Vec::new());
    for number in 0..PUSHES {
        // An idle worker: it has nothing to end or to claim.
        tokio::time::sleep(IDLE).await;
        let before = Instant::now();
        events.dispatch(&Timed { number }).await?;
        let (_, at) = told.recv().await.ok_or("the worker runs")?;
        times.push(at.saturating_duration_since(before));
        tokio::time::sleep(IDLE).await;
        of_bare.push(floor.push_and_claim().await?);
    }
    let _ = stop.send(());
    running.await??;
    let ((median, late), (floor, late_floor)) = (percentiles(times), percentiles(of_bare));
    println!(
        "{:<16} push to start: median {median:.2} ms (bound 2), 99th percentile {late:.2} ms; the bare push and the bare \
         claim one after the other: {floor:.2} and {late_floor:.2} ms",
        setting.name()
    );
    Ok(())
}
