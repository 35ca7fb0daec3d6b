//! The engine of a test, and how it is built.

use std::any::Any;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use events_core::{Events, EventsBuilder, ManualClock};

use super::TestRun;
use crate::integration::{Integrations, IntegrationsBuilder, RegisteredProvider};
use crate::queue::Worker;
use crate::store::{self, EncryptionKey, Store};
use crate::sync::ItemFilter;

/// A step towards the engine of a test.
type Step<B> = Box<dyn FnOnce(B) -> B + Send>;

/// How often it looks whether all that is left waits for its time.
const LOOK: Duration = Duration::from_millis(5);

impl Integrations {
    /// An engine for the tests of an adapter or an application: on a database in memory of its own, with an encryption
    /// key, all linked providers, and a dispatcher with all linked listeners whose clock stands still until the test
    /// moves it. Tests with one each run side by side.
    ///
    /// ```standalone_crate
    /// # use events_core::{Event, listener};
    /// # use events_std::{
    /// #     Integration, NoCredentials, NoMetadata, Provider, ScheduledSync, SyncError, SyncItemEvent, SyncSession, provider,
    /// # };
    /// # #[derive(Clone, Debug, Event)]
    /// # #[event(durable, name = "zendesk.ticket.synced", extends(SyncItemEvent))]
    /// # pub struct TicketSynced { pub ticket: u64 }
    /// # #[derive(Default)]
    /// # struct Zendesk;
    /// # #[provider(ScheduledSync)]
    /// # impl Provider for Zendesk {
    /// #     const KEY: &'static str = "zendesk";
    /// #     const NAME: &'static str = "Zendesk";
    /// #     type Credentials = NoCredentials;
    /// #     type Metadata = NoMetadata;
    /// # }
    /// # impl ScheduledSync for Zendesk {
    /// #     async fn sync(&self, _: &Integration, session: &mut SyncSession) -> Result<(), SyncError> {
    /// #         for ticket in 1..=3 {
    /// #             session.item().external_id(ticket).checkpoint(ticket).dispatch(TicketSynced { ticket }).await?;
    /// #         }
    /// #         Ok(())
    /// #     }
    /// # }
    /// use events_std::{Integrations, NewIntegration};
    ///
    /// # #[listener(TicketSynced)]
    /// # fn store(_: &TicketSynced) {}
    /// # #[cfg(feature = "sqlite")]
    /// #[tokio::main(flavor = "current_thread")] // in a test: #[tokio::test]
    /// async fn main() {
    ///     let engine = Integrations::for_tests().await;
    ///     let support = engine.create(NewIntegration::of::<Zendesk>("Support")).await.unwrap();
    ///
    ///     let run = engine.sync_to_end(support.id).await;
    ///     run.assert_synced(3);
    ///     assert_eq!(run.integration.sync_cursor, Some(3.into()));
    /// }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub fn for_tests() -> TestEngineBuilder {
        TestEngineBuilder {
            engine: Vec::new(),
            events: Vec::new(),
        }
    }
}

/// Builds a [`TestEngine`]: `.await` it. See [`Integrations::for_tests`].
#[must_use = "a builder does nothing until it is awaited"]
pub struct TestEngineBuilder {
    engine: Vec<Step<IntegrationsBuilder>>,
    events: Vec<Step<EventsBuilder>>,
}

impl TestEngineBuilder {
    /// Gives the value of a provider, as one that talks to the test's own server: in place of the linked one.
    pub fn provider(self, provider: impl RegisteredProvider) -> Self {
        self.engine(|engine| engine.provider(provider))
    }

    /// Gives a value that listeners ask for.
    pub fn state<T: Any + Send + Sync>(self, state: T) -> Self {
        self.events(|events| events.state(state))
    }

    /// Changes how the engine is built, as its thresholds of health.
    pub fn engine(
        mut self,
        step: impl FnOnce(IntegrationsBuilder) -> IntegrationsBuilder + Send + 'static,
    ) -> Self {
        self.engine.push(Box::new(step));
        self
    }

    /// Changes how the dispatcher is built, as by listeners of the test alone.
    pub fn events(
        mut self,
        step: impl FnOnce(EventsBuilder) -> EventsBuilder + Send + 'static,
    ) -> Self {
        self.events.push(Box::new(step));
        self
    }

    async fn build(self) -> TestEngine {
        let store = Store::connect("sqlite::memory:").await;
        let store = store.unwrap_or_else(|error| panic!("no database in memory: {error}"));
        let clock = Arc::new(ManualClock::default());
        let waits = clock.clone();
        let engine = Integrations::builder(&store)
            .encryption_key(EncryptionKey::from_bytes([7; 32]))
            .request_waits(move |wait| {
                waits.advance(TimeDelta::from_std(wait).unwrap_or_default());
                Box::pin(async {})
            });
        let engine = self
            .engine
            .into_iter()
            .fold(engine, |engine, step| step(engine));
        let engine = engine.build().unwrap_or_else(|error| panic!("{error}"));
        let events = Events::builder()
            .state(engine.clone())
            .queue(store.queue())
            .clock(clock.clone());
        let events = self
            .events
            .into_iter()
            .fold(events, |events, step| step(events));
        let events = events.build().unwrap_or_else(|error| panic!("{error}"));
        TestEngine {
            integrations: engine.with_events(&events),
            events,
            clock,
        }
    }
}

impl IntoFuture for TestEngineBuilder {
    type Output = TestEngine;
    type IntoFuture = Pin<Box<dyn Future<Output = TestEngine> + Send>>;

    /// # Panics
    ///
    /// If the engine or its dispatcher has a fault, as two providers of one key. The message lists all of them.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.build())
    }
}

impl std::fmt::Debug for TestEngineBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestEngineBuilder").finish_non_exhaustive()
    }
}

/// The engine of a test: [`Integrations`] on a database in memory, and what a test needs besides. See
/// [`Integrations::for_tests`].
///
/// Its time is the test's: [`clock`](Self::clock) moves it, and nothing in the engine waits for another: before
/// a request is tried again, the clock is set forward. A health check, a lease or a schedule of tomorrow is tested by moving it there.
#[derive(Clone, Debug)]
pub struct TestEngine {
    integrations: Integrations,
    events: Events,
    clock: Arc<ManualClock>,
}

impl Deref for TestEngine {
    type Target = Integrations;

    fn deref(&self) -> &Integrations {
        &self.integrations
    }
}

impl TestEngine {
    /// The dispatcher of the engine's events.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The clock, which stands still until it is moved: 2026-01-01 00:00 UTC at first.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Syncs an integration, due or not, to the end: its items are worked at with all their retries, which wait for no
    /// time, and so are the queued listeners that are due, as that of `SyncCompleted`. What became of it.
    ///
    /// # Panics
    ///
    /// If no run was begun, as of an integration that is switched off, or the database fails. A provider that fails is
    /// told by the run: [`TestRun::assert_failed`].
    pub async fn sync_to_end(&self, id: i64) -> TestRun {
        let started = self.run_to_end(id).await;
        let started = started.unwrap_or_else(|error| panic!("the sync could not be run: {error}"));
        self.work().await;
        let found = self.find(id).await;
        let found = found.unwrap_or_else(|error| panic!("the integration cannot be read: {error}"));
        let integration = found.unwrap_or_else(|| panic!("there is no integration {id}"));
        let mut run = TestRun::of(started, integration);
        let mut filter = ItemFilter::new().run(run.run.id);
        loop {
            let page = self.sync_items(&filter).await;
            let page = page.unwrap_or_else(|error| panic!("the items cannot be read: {error}"));
            let Some(last) = page.last() else {
                return run;
            };
            filter = filter.after(last.id);
            run.items.extend(page);
        }
    }

    /// Runs all queued listeners, and those of announcements, until nothing is pending any more. Where nothing runs and
    /// all that is left waits for its time, the clock is set to the next one.
    ///
    /// # Panics
    ///
    /// If the database fails.
    pub async fn work(&self) {
        let worker = Worker::new(&self.events, self.store());
        let drained = worker.drain();
        let hurry = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if let Some(due) = self.rests_until().await {
                    self.clock.advance(due - self.events.now());
                }
            }
        };
        tokio::select! {
            biased;
            ended = drained => if let Err(error) = ended {
                panic!("the worker ended: {error}");
            },
            () = hurry => unreachable!("it never ends"),
        }
    }

    /// When the next job is due, if none runs or is due now.
    async fn rests_until(&self) -> Option<DateTime<Utc>> {
        let sql = "SELECT MIN(run_at), MAX(state) FROM events_jobs WHERE state IN (0, 1)";
        let row = store::row(self.store().reader(), sql, []).await;
        let row = row.unwrap_or_else(|error| panic!("the jobs cannot be read: {error}"))?;
        let read = |error| panic!("the jobs cannot be read: {error}");
        let (next, state): (Option<i64>, Option<i64>) = (
            row.try_get_by_index(0).unwrap_or_else(read),
            row.try_get_by_index(1).unwrap_or_else(read),
        );
        let next = DateTime::from_timestamp_millis(next.filter(|_| state == Some(0))?)?;
        (next > self.events.now()).then_some(next)
    }
}
