//! A worker in a process of its own: this program again, in another role.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use events_core::Events;
use events_std::{Store, Worker};
use events_tests::Effects;
use sea_orm::{ConnectionTrait, Statement};

use crate::kit::{self, Base};

/// The dispatcher of a test's own listeners.
pub(crate) fn events(module: &str, store: &Store, base: &Base) -> Events {
    Events::builder()
        .only_linked_in(module)
        .state(Effects::of(&base.folder))
        .queue(store.queue())
        .build()
        .unwrap()
}

/// A worker in a process of its own. It ends with this value; it ends by itself when its standard input does.
pub(crate) struct Process(Child);

const URL: &str = "EVENTS_FAULTS_URL";
const FOLDER: &str = "EVENTS_FAULTS_FOLDER";
const MODULE: &str = "EVENTS_FAULTS_MODULE";
const PLACES: &str = "EVENTS_FAULTS_PLACES";
const LAPSE: &str = "EVENTS_FAULTS_LAPSE";
const WORKER: &str = "process::worker";
/// After how many seconds without a sign of life others take a worker here for dead. So many that no stall of the machine
/// makes it look dead: if it dies, its lock tells. And it does not look for its own row while a test runs.
const PATIENT: u64 = 3_600;
/// The fewest that there may be.
const IMPATIENT: u64 = 3;

impl Process {
    /// Starts a worker of a module's listeners. It does not notice that others took it for dead.
    pub(crate) fn start(base: &Base, module: &str, places: usize) -> Self {
        Self::start_with(base, WORKER, module, places, PATIENT)
    }

    /// Starts one that soon notices that others took it for dead.
    pub(crate) fn start_impatient(base: &Base, module: &str, places: usize) -> Self {
        Self::start_with(base, WORKER, module, places, IMPATIENT)
    }

    /// Starts one in another role than that of [`worker`]: a test, by its name.
    pub(crate) fn start_as(base: &Base, role: &str, places: usize) -> Self {
        Self::start_with(base, role, "", places, PATIENT)
    }

    fn start_with(base: &Base, role: &str, module: &str, places: usize, lapse: u64) -> Self {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program)
            .args(["--exact", role, "--nocapture"])
            .env(URL, &base.url)
            .env(FOLDER, &base.folder)
            .env(MODULE, module)
            .env(PLACES, places.to_string())
            .env(LAPSE, lapse.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("a process"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.0.id().to_string())
            .status();
        assert!(status.expect("kill").success());
    }

    /// Tells it to end, waits until it has, and says whether it did so in order.
    pub(crate) async fn end(mut self) -> bool {
        drop(self.0.stdin.take());
        kit::until("the process has ended", async || self.has_ended()).await;
        self.0.wait().expect("a status").success()
    }

    /// Ends it without a word, and waits until it has.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it is killed");
        self.0.wait().expect("it has ended");
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a status").is_some()
    }

    /// Stops it, counts the jobs that the store has as its own, and kills it.
    pub(crate) async fn kill_counting(self, store: &Store) -> usize {
        self.signal("STOP");
        let row = store
            .reader()
            .query_one_raw(Statement::from_sql_and_values(
                store.backend(),
                "SELECT COUNT(*) FROM events_jobs WHERE state = 1 AND worker IN \
                 (SELECT id FROM events_workers WHERE process = $1)",
                [i64::from(self.id()).into()],
            ))
            .await
            .unwrap()
            .unwrap();
        self.kill();
        usize::try_from(row.try_get_by_index::<i64>(0).unwrap()).unwrap()
    }
}

impl Drop for Process {
    /// Tells it to end, as a person would, and does not wait for ever.
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while !std::thread::panicking() && Instant::now() < deadline {
            match self.0.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process of another role was told. None: it is no such process.
pub(crate) struct Orders {
    pub(crate) base: Base,
    module: String,
    places: usize,
    lapse: Duration,
}

impl Orders {
    pub(crate) fn of_process() -> Option<Self> {
        let (url, module) = (std::env::var(URL).ok()?, std::env::var(MODULE).ok()?);
        let seconds = std::env::var(LAPSE).unwrap().parse().unwrap();
        Some(Self {
            base: Base::existing(&url, Path::new(&std::env::var(FOLDER).unwrap())),
            module,
            places: std::env::var(PLACES).unwrap().parse().unwrap(),
            lapse: Duration::from_secs(seconds),
        })
    }

    /// A worker as it was ordered.
    pub(crate) fn worker(&self, events: &Events, store: &Store) -> Worker {
        Worker::new(events, store)
            .concurrency(self.places)
            .poll_every(Duration::from_millis(10))
            .grace(Duration::from_secs(2))
            .heartbeat_lapse(self.lapse)
    }
}

/// Ends when the standard input does: when whoever started this process says so, or has died.
pub(crate) async fn told_to_end() {
    let (gone, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = gone.send(());
    });
    let _ = told.await;
}

/// The other role: not a test, unless the variables say so.
#[test]
fn worker() {
    let Some(orders) = Orders::of_process() else {
        return;
    };
    kit::runtime().block_on(async {
        let store = orders.base.store().await;
        let events = events(&orders.module, &store, &orders.base);
        let worker = orders.worker(&events, &store);
        worker.run_until(told_to_end()).await.unwrap();
    });
}
