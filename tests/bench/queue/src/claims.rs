//! What a claim of ten costs in tables of different sizes, as users have it: a worker of ten places whose jobs all end at
//! the same moment. The time from one batch's start to the next is that of a turn: the acknowledgement of ten, the claim
//! of ten, their one commit, and the start of ten. Only the claim depends on what stands in the table. Commits do not wait
//! for the disk here, whose time would hide the rest.

use std::time::{Duration, Instant};

use events_core::{Event, Events, State, listener};
use events_std::{Store, Worker};
use sea_orm::ConnectionTrait;
use tokio::sync::{Barrier, mpsc, oneshot};

use crate::base::{Base, Setting};
use crate::{Error, filled, percentiles};

/// A claim.
const TEN: usize = 10;
/// So many turns are measured.
const TURNS: usize = 80;

const FEW: u32 = 1_000;
const MILLION: u32 = 1_000_000;
const FINISHED: u32 = 900_000;
/// So many of one key.
const BACKLOG: u32 = 100_000;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "bench.claimed")]
struct Claimed {
    number: u32,
    text: String,
}

/// Jobs wait for each other here, and then all end.
struct Gate {
    barrier: Barrier,
    passed: mpsc::UnboundedSender<Instant>,
}

#[listener(Claimed, queue = "claims")]
async fn wait(event: &Claimed, gate: &State<Gate>) {
    std::hint::black_box((event.number, &event.text));
    if gate.barrier.wait().await.is_leader() {
        let _ = gate.passed.send(Instant::now());
    }
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "bench.claimed_in_order")]
struct InOrder {
    key: String,
}

fn key(event: &InOrder) -> String {
    event.key.clone()
}

#[listener(InOrder, queue = "claims", order_by = key)]
async fn wait_in_order(_: &InOrder, gate: &State<Gate>) {
    if gate.barrier.wait().await.is_leader() {
        let _ = gate.passed.send(Instant::now());
    }
}

fn event() -> Claimed {
    Claimed {
        number: 0,
        text: "some ninety bytes of payload, as in the study of the engines....".to_owned(),
    }
}

/// A dispatcher whose jobs end in groups of so many, and where it is told of each group.
fn gated(store: &Store, group: usize) -> Result<(Events, mpsc::UnboundedReceiver<Instant>), Error> {
    let (passed, told) = mpsc::unbounded_channel();
    let barrier = Barrier::new(group);
    let events = Events::builder()
        .only_linked_in(module_path!())
        .state(Gate { barrier, passed })
        .queue(store.queue())
        .build()?;
    Ok((events, told))
}

/// The head of the lines.
pub fn head() {
    println!(
        "{:<16} {:<44} {:>9} {:>9} {:>9} {:>7} {:>7}",
        "database",
        "claim of 10 (a turn of the worker), ms",
        "median",
        "99th",
        "start",
        "ratio",
        "bound"
    );
}

/// Measures one database.
pub async fn report(setting: &Setting) -> Result<(), Error> {
    let postgres = match setting {
        // The same statements as with NORMAL, which wait for the disk.
        Setting::SqliteFull => return Ok(()),
        Setting::SqliteNormal => false,
        Setting::Postgres(_) => true,
    };
    let mut lines = Lines { setting, few: 0.0 };

    let base = empty(setting).await?;
    add_pending(&base.store, FEW).await?;
    filled::settle(&base.store).await?;
    lines.measure(&base.store, "1,000 pending", None).await?;
    add_pending(&base.store, MILLION).await?;
    filled::settle(&base.store).await?;
    lines
        .measure(&base.store, "1,000,000 pending", Some(2.0))
        .await?;
    base.remove().await?;

    let base = empty(setting).await?;
    let (events, _told) = gated(&base.store, 1)?;
    filled::add_done(&base.store, &events, &event(), FINISHED).await?;
    add_pending(&base.store, FEW).await?;
    filled::settle(&base.store).await?;
    let what = "1,000 pending among 900,000 finished";
    lines.measure(&base.store, what, Some(2.0)).await?;
    if postgres {
        add_pending(&base.store, FEW).await?;
        let snapshot = filled::old_snapshot(&base.store).await?;
        lines
            .measure(&base.store, "the same, an old snapshot open", Some(5.0))
            .await?;
        snapshot.rollback().await?;
    }
    base.remove().await?;

    in_order(&mut lines).await?;

    if postgres {
        for held in [false, true] {
            let base = empty(setting).await?;
            add_pending(&base.store, FINISHED).await?;
            filled::settle(&base.store).await?;
            let snapshot = if held {
                Some(filled::old_snapshot(&base.store).await?)
            } else {
                None
            };
            filled::finish_pending(&base.store).await?;
            add_pending(&base.store, FEW).await?;
            let what = if held {
                "900,000 just finished, an old snapshot open"
            } else {
                "900,000 just finished"
            };
            lines.measure(&base.store, what, Some(5.0)).await?;
            if let Some(snapshot) = snapshot {
                snapshot.rollback().await?;
            }
            base.remove().await?;
        }
    }
    Ok(())
}

/// Jobs of a thousand keys, by themselves and behind a backlog of one key that has waited for longer.
async fn in_order(lines: &mut Lines<'_>) -> Result<(), Error> {
    let base = empty(lines.setting).await?;
    let (events, _told) = gated(&base.store, TEN)?;
    let one = InOrder {
        key: "one".to_owned(),
    };
    for (jobs, change) in [
        (FEW, "order_key = 'key ' || id"),
        (BACKLOG, "run_at = run_at - 86400000"),
    ] {
        filled::add_pending(&base.store, &events, &one, jobs).await?;
        let change = format!("UPDATE events_jobs SET {change} WHERE order_key = 'one'");
        base.store.writer().execute_unprepared(&change).await?;
        filled::settle(&base.store).await?;
        let (what, bound) = if jobs == FEW {
            ("1,000 pending of 1,000 order keys", None)
        } else {
            ("the same behind 100,000 of one key", Some(2.0))
        };
        lines.measure(&base.store, what, bound).await?;
        base.store
            .writer()
            .execute_unprepared("UPDATE events_jobs SET state = 0 WHERE state = 2")
            .await?;
    }
    base.remove().await
}

/// An empty database whose commits do not wait for the disk, and which nothing cleans up at times of its own.
async fn empty(setting: &Setting) -> Result<Base, Error> {
    let mut base = Base::new(setting).await?;
    if matches!(setting, Setting::Postgres(_)) {
        let name = base.url.rsplit('/').next().unwrap_or_default();
        base.store
            .writer()
            .execute_unprepared(&format!(
                "ALTER DATABASE {name} SET synchronous_commit = off; \
                 ALTER TABLE events_jobs SET (autovacuum_enabled = false)"
            ))
            .await?;
        // Connections have it from their start.
        base.store.close().await?;
        base.store = Store::connect(&base.url).await?;
    }
    Ok(base)
}

async fn add_pending(store: &Store, jobs: u32) -> Result<(), Error> {
    let (events, _told) = gated(store, TEN)?;
    filled::add_pending(store, &events, &event(), jobs).await
}

struct Lines<'s> {
    setting: &'s Setting,
    /// The median with few jobs.
    few: f64,
}

impl Lines<'_> {
    async fn measure(
        &mut self,
        store: &Store,
        what: &str,
        bound: Option<f64>,
    ) -> Result<(), Error> {
        let (start, times) = turns(store).await?;
        let (median, late) = percentiles(times);
        if self.few == 0.0 {
            self.few = median;
        }
        let bound = bound.map_or_else(|| "-".to_owned(), |bound| format!("{bound:.2}"));
        println!(
            "{:<16} {what:<44} {median:>9.2} {late:>9.2} {:>9.2} {:>7.2} {bound:>7}",
            self.setting.name(),
            start.as_secs_f64() * 1e3,
            median / self.few
        );
        Ok(())
    }
}

/// How long a worker takes from its start to the start of its first ten jobs, and how long from ten to the next ten.
async fn turns(store: &Store) -> Result<(Duration, Vec<Duration>), Error> {
    let (events, mut told) = gated(store, TEN)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let begin = Instant::now();
    let running = tokio::spawn(
        Worker::new(&events, store)
            .concurrency(TEN)
            // What it holds when it stops waits for more that never come.
            .grace(Duration::from_millis(100))
            .run_until(async {
                let _ = stopped.await;
            }),
    );
    let first = told.recv().await.ok_or("the worker runs")?;
    let (mut last, mut times) = (first, Vec::new());
    while times.len() < TURNS {
        let next = told.recv().await.ok_or("the worker runs")?;
        times.push(next - last);
        last = next;
    }
    let _ = stop.send(());
    running.await??;
    Ok((first - begin, times))
}
