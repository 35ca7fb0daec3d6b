//! What the suite asks of an engine.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use events_core::{Capability, Clock, Events, Job, ManualClock, Queue};
use uuid::Uuid;

/// An engine of the queue port, with its worker.
///
/// Its promise: a push keeps all jobs or none. Of the options of listeners it carries out those that it names. An
/// attempt is counted before its run. A job that was kept is run until a verdict ends it; what has failed for good is
/// kept with its reason and can be run again. No job is run twice at once.
pub(crate) trait Engine: Send + Sync {
    type Queue: Queue + Clone;

    /// What becomes of a job that no listener here is for.
    const UNKNOWN: Unknown;

    /// Whether a run that is stopped gives its attempt back.
    const GIVES_ATTEMPT_BACK: bool;

    fn queue(&self) -> Self::Queue;

    /// Jobs of which a push keeps none, this one among them.
    fn refused(job: Job) -> Vec<Job>;

    /// Works until `stop` is ready, and then at most until the runs of this moment have ended or were stopped.
    async fn work(&self, events: &Events, stop: impl Future<Output = ()>);

    /// How many jobs wait or run.
    async fn open_jobs(&self) -> usize;

    /// How many of them are due and not run yet, for a dispatcher that knows them, or run.
    async fn due(&self, events: &Events) -> usize;

    /// The jobs that have failed for good.
    async fn parked(&self) -> Vec<Parked>;

    /// Gives a parked job all its attempts again, due at once.
    async fn retry(&self, events: &Events, id: Uuid);

    async fn close(self);
}

/// What an engine makes of a job that no listener here is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// It is parked with its reason.
    Parked,
    /// It waits for a program that knows it.
    Waits,
}

#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) id: Uuid,
    pub(crate) listener: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// What listeners have done.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(crate) fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A dispatcher of one module's listeners on an engine, and its clock.
pub(crate) struct Bench<'e, E> {
    pub(crate) engine: &'e E,
    pub(crate) events: Events,
    pub(crate) clock: Arc<ManualClock>,
}

impl<'e, E: Engine> Bench<'e, E> {
    pub(crate) fn new(engine: &'e E, module: &str) -> Self {
        let clock = Arc::new(ManualClock::default());
        let events = Events::builder()
            .only_linked_in(module)
            .state(Log::default())
            .queue(engine.queue())
            .clock(clock.clone())
            .build()
            .unwrap();
        Self {
            engine,
            events,
            clock,
        }
    }

    /// Runs what is due.
    pub(crate) async fn run(&self) {
        let quiet = crate::kit::until("nothing is due", async || {
            self.engine.due(&self.events).await == 0
        });
        self.engine.work(&self.events, quiet).await;
    }

    /// Moves the clock, and runs what is due then.
    pub(crate) async fn run_after(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
        self.run().await;
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.events.state::<Log>().unwrap().take()
    }

    pub(crate) fn log_sorted(&self) -> Vec<String> {
        let mut lines = self.log();
        lines.sort();
        lines
    }

    /// Whether the engine carries out an option; says so if not.
    pub(crate) fn offers(engine: &E, option: Capability) -> bool {
        let offers = engine.queue().capabilities().contains(&option);
        if !offers {
            eprintln!("SKIPPED: this engine does not offer `{option}`");
        }
        offers
    }

    pub(crate) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }
}
