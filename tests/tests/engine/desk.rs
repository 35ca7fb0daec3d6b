//! A provider that does what a test tells it to, its per-item event, and a listener that fails as planned.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use events_core::{Attempt, Event, EventsBuilder, Permanent, State, listener};
use events_std::{
    Integration, IntegrationLog, IntegrationSyncItem, IntegrationsBuilder, ItemAttempt, ItemFilter,
    NewIntegration, NoCredentials, NoMetadata, Provider, RateLimited, RunState, ScheduledSync,
    SyncError, SyncItemEvent, SyncRun, SyncSession, Worker, provider,
};
use sea_orm::ConnectionTrait;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::kit::{Bench, Zendesk};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "desk.ticket.synced", extends(SyncItemEvent))]
pub(crate) struct TicketSynced {
    #[event(model)]
    pub(crate) integration: Integration,
    pub(crate) ticket: u64,
}

/// What a provider does about items that were not taken.
#[derive(Clone, Copy, Default)]
pub(crate) enum Heed {
    /// It gives up.
    #[default]
    Fails,
    /// It goes on.
    GoesOn,
    /// It goes on, and does not even wait: it drops what is not done at once.
    Hurries,
}

/// What the provider's next sync does.
#[derive(Default)]
pub(crate) struct Script {
    /// Tickets, and their checkpoints.
    pub(crate) tickets: Vec<(u64, Value)>,
    /// It fails behind the tickets.
    pub(crate) fails: Option<&'static str>,
    pub(crate) panics: bool,
    pub(crate) interval: Option<Duration>,
    /// The cursors that it found.
    pub(crate) cursors: Vec<Option<Value>>,
    /// What it does about items that were not taken.
    pub(crate) heed: Heed,
    /// The items that were not taken, for all it knows.
    pub(crate) refused: usize,
    /// After each ticket it waits for a permit, if there is such a thing.
    pub(crate) gate: Option<Arc<Semaphore>>,
}

#[derive(Clone, Default)]
pub(crate) struct Desk(pub(crate) Arc<Mutex<Script>>);

#[provider(ScheduledSync, instance)]
impl Provider for Desk {
    const KEY: &'static str = "desk";
    const NAME: &'static str = "Desk";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

impl ScheduledSync for Desk {
    fn interval(&self) -> Option<Duration> {
        self.0.lock().unwrap().interval
    }

    async fn sync(
        &self,
        integration: &Integration,
        session: &mut SyncSession,
    ) -> Result<(), SyncError> {
        let (tickets, gate, heed) = {
            let mut script = self.0.lock().unwrap();
            script.cursors.push(session.cursor().cloned());
            (script.tickets.clone(), script.gate.clone(), script.heed)
        };
        for (ticket, checkpoint) in tickets {
            let event = TicketSynced {
                integration: integration.clone(),
                ticket,
            };
            let item = session.item().external_id(ticket).checkpoint(checkpoint);
            let taken = item.dispatch(event);
            let is_taken = match heed {
                Heed::Fails => taken.await.map(|()| true)?,
                Heed::GoesOn => taken.await.is_ok(),
                Heed::Hurries => matches!(timeout(Duration::ZERO, taken).await, Ok(Ok(()))),
            };
            self.0.lock().unwrap().refused += usize::from(!is_taken);
            if let Some(gate) = &gate {
                gate.acquire().await?.forget();
            }
        }
        let (fails, panics) = {
            let script = self.0.lock().unwrap();
            (script.fails, script.panics)
        };
        assert!(!panics, "the provider fell over");
        match fails {
            Some(text) => Err(SyncError::message(text)),
            None => Ok(()),
        }
    }
}

impl DeskBench {
    /// Lets it be so many seconds longer that holders of runs showed life.
    pub(crate) async fn leases_age(&self, seconds: i64) {
        let age = format!(
            "UPDATE events_sync_runs SET lease_until = lease_until - {}",
            seconds * 1_000
        );
        execute(&self.bench, &age).await;
    }
}

impl Desk {
    /// The next sync finds these tickets, each with its own number as its checkpoint.
    pub(crate) fn finds(&self, tickets: impl IntoIterator<Item = u64>) {
        let tickets = tickets.into_iter().map(|ticket| (ticket, ticket.into()));
        self.0.lock().unwrap().tickets = tickets.collect();
    }
}

/// How an attempt at a ticket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Well,
    Fails,
    FailsForGood,
    Panics,
    Limited(u64),
}

/// How the attempts at tickets end, the last one ever after; and what was attempted.
#[derive(Default)]
pub(crate) struct Plan {
    fates: Mutex<BTreeMap<u64, VecDeque<Fate>>>,
    attempts: Mutex<Vec<(u64, Attempt, ItemAttempt)>>,
}

impl Plan {
    pub(crate) fn set(&self, ticket: u64, fates: impl IntoIterator<Item = Fate>) {
        let fates = fates.into_iter().collect();
        self.fates.lock().unwrap().insert(ticket, fates);
    }

    fn next(&self, ticket: u64) -> Fate {
        let mut fates = self.fates.lock().unwrap();
        let Some(fates) = fates.get_mut(&ticket) else {
            return Fate::Well;
        };
        match fates.len() {
            0 | 1 => fates.front().copied().unwrap_or(Fate::Well),
            _ => fates.pop_front().expect("there are two"),
        }
    }

    /// The attempts since the last call: ticket and number.
    pub(crate) fn attempts(&self) -> Vec<(u64, u32)> {
        let attempts = self.take();
        attempts
            .iter()
            .map(|(ticket, attempt, _)| (*ticket, attempt.number))
            .collect()
    }

    /// How many attempts there were since the last call of those that take them.
    pub(crate) fn count(&self) -> usize {
        self.attempts.lock().unwrap().len()
    }

    pub(crate) fn take(&self) -> Vec<(u64, Attempt, ItemAttempt)> {
        std::mem::take(&mut *self.attempts.lock().unwrap())
    }
}

/// Why a ticket was not stored.
#[derive(Debug)]
pub(crate) enum StoreTicketError {
    Broken(u64),
    Hopeless(Permanent),
    Comments(RateLimited),
}

impl fmt::Display for StoreTicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(ticket) => write!(f, "ticket {ticket} cannot be stored"),
            Self::Hopeless(_) => f.write_str("the ticket is beyond repair"),
            Self::Comments(_) => f.write_str("the comments cannot be read"),
        }
    }
}

impl Error for StoreTicketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Broken(_) => None,
            Self::Hopeless(permanent) => Some(permanent),
            Self::Comments(limited) => Some(limited),
        }
    }
}

#[listener(TicketSynced)]
async fn store_ticket(
    event: &TicketSynced,
    attempt: Attempt,
    item: ItemAttempt,
    plan: &State<Plan>,
) -> Result<(), StoreTicketError> {
    let ticket = event.ticket;
    assert_eq!(event.integration.id, item.integration_id);
    plan.attempts.lock().unwrap().push((ticket, attempt, item));
    match plan.next(ticket) {
        Fate::Well => Ok(()),
        Fate::Fails => Err(StoreTicketError::Broken(ticket)),
        Fate::FailsForGood => Err(StoreTicketError::Hopeless(Permanent::new("no ticket"))),
        Fate::Panics => panic!("ticket {ticket} is on fire"),
        Fate::Limited(seconds) => {
            let limited = RateLimited::retry_after(Duration::from_secs(seconds));
            Err(StoreTicketError::Comments(limited))
        }
    }
}

/// A bench with a desk, one integration of it, and the listener.
pub(crate) struct DeskBench {
    pub(crate) bench: Bench,
    pub(crate) desk: Desk,
    pub(crate) integration: Integration,
}

impl DeskBench {
    /// Synced every 15 minutes.
    pub(crate) async fn new(url: String) -> Self {
        Self::with(url, |builder| builder).await
    }

    pub(crate) async fn with(
        url: String,
        events: impl FnOnce(EventsBuilder) -> EventsBuilder,
    ) -> Self {
        Self::of(Desk::default(), url, |engine| engine, events).await
    }

    /// With attempts that may take no longer than this.
    pub(crate) async fn with_timeout(
        timeout: Duration,
        url: String,
        events: impl FnOnce(EventsBuilder) -> EventsBuilder,
    ) -> Self {
        let engine = |engine: IntegrationsBuilder| engine.item_timeout(timeout);
        Self::of(Desk::default(), url, engine, events).await
    }

    /// With an engine that the test changes.
    pub(crate) async fn with_engine(
        url: String,
        engine: impl FnOnce(IntegrationsBuilder) -> IntegrationsBuilder,
    ) -> Self {
        Self::of(Desk::default(), url, engine, |builder| builder).await
    }

    /// With a desk that has its own interval.
    pub(crate) async fn every(interval: Duration, url: String) -> Self {
        let desk = Desk::default();
        desk.0.lock().unwrap().interval = Some(interval);
        Self::of(desk, url, |engine| engine, |builder| builder).await
    }

    pub(crate) async fn of(
        desk: Desk,
        url: String,
        engine: impl FnOnce(IntegrationsBuilder) -> IntegrationsBuilder,
        events: impl FnOnce(EventsBuilder) -> EventsBuilder,
    ) -> Self {
        let bench = Bench::with(
            url,
            |builder| engine(builder.provider(desk.clone()).provider(Zendesk)),
            |builder| {
                events(
                    builder
                        .only_linked_in(module_path!())
                        .state(Plan::default()),
                )
            },
        )
        .await;
        let new = NewIntegration::new("desk", "Support").sync_every(15);
        let integration = bench.engine.create(new).await.unwrap();
        bench.heard.take();
        Self {
            bench,
            desk,
            integration,
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        self.bench.events.state::<Plan>().unwrap()
    }

    /// Syncs these tickets, to the end.
    pub(crate) async fn sync(&self, tickets: impl IntoIterator<Item = u64>) -> SyncRun {
        self.desk.finds(tickets);
        let started = self.bench.engine.run_to_end(self.integration.id).await;
        started.unwrap().assert_enumerated()
    }

    /// Starts a run of these tickets, and leaves its items to workers.
    pub(crate) async fn begin(&self, tickets: impl IntoIterator<Item = u64>) -> SyncRun {
        self.desk.finds(tickets);
        let started = self.bench.engine.sync(self.integration.id).await;
        started.unwrap().assert_enumerated()
    }

    /// A worker of jobs and items.
    pub(crate) fn worker(&self) -> Worker {
        Worker::new(&self.bench.events, &self.bench.store)
            .sync_items(&self.bench.engine)
            .poll_every(Duration::from_millis(5))
    }

    /// Lets a worker of jobs and items work, and the time pass quickly, until a condition holds.
    pub(crate) async fn serve_until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let test = until(what, async || {
            self.bench.clock.advance(TimeDelta::seconds(30));
            condition().await
        });
        self.worker().run_until(test).await.unwrap();
    }

    /// The run as it is stored now.
    pub(crate) async fn run(&self, run: &SyncRun) -> SyncRun {
        let found = self.bench.engine.sync_run(run.id).await.unwrap();
        found.expect("it is stored")
    }

    /// Whether the run is closed now.
    pub(crate) async fn is_closed(&self, run: &SyncRun) -> bool {
        self.run(run).await.state == RunState::Closed
    }

    /// The integration as it is stored now.
    pub(crate) async fn stored(&self) -> Integration {
        self.bench.stored(&self.integration).await
    }

    pub(crate) async fn log(&self, run: &SyncRun) -> IntegrationLog {
        let log = self.bench.engine.find_operation(run.log_id).await.unwrap();
        log.expect("a run has a log")
    }

    /// Name by name what was heard, item events and the start of operations left out; announcements included.
    pub(crate) async fn heard(&self) -> Vec<&'static str> {
        self.bench.work().await;
        let mut names = self.bench.heard.names();
        names.retain(|name| !name.starts_with("desk.") && *name != "operation.started");
        names
    }

    /// The items of a run.
    pub(crate) async fn items(&self, run: &SyncRun) -> Vec<IntegrationSyncItem> {
        let filter = ItemFilter::new().run(run.id);
        self.bench.engine.sync_items(&filter).await.unwrap()
    }

    /// The only item of a run about a ticket.
    pub(crate) async fn item(&self, run: &SyncRun, ticket: u64) -> IntegrationSyncItem {
        let id = ticket.to_string();
        let items = self.items(run).await;
        let mut found = items
            .into_iter()
            .filter(|item| item.external_id.as_deref() == Some(&id));
        found.next().expect("the run has the ticket")
    }
}

/// Waits until a condition holds, and fails if it does not within half a minute.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Changes rows behind the engine's back.
pub(crate) async fn execute(bench: &Bench, sql: &str) {
    bench.store.writer().execute_unprepared(sql).await.unwrap();
}
