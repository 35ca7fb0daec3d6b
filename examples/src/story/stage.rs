//! What the story is played with: the API, the application, and a clock that is set forward.

use std::any::Any;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use events_core::ManualClock;
use events_std::{
    Integration, IntegrationFilter, NewIntegration, Scheduler, Store, SyncRun, SyncStart, Worker,
};
use helpdesk_listeners::{Desk, Timeline};
use helpdesk_zendesk::{Zendesk, ZendeskCredentials, ZendeskMetadata};
use tokio::time::{Instant, interval_at};

use super::api;
use crate::{App, Error, Time};

/// How often progress is told.
const UPDATE: Duration = Duration::from_millis(100);

/// A Monday morning: 2026-01-05 09:00 UTC.
const MORNING: i64 = 1_767_603_600;

/// Which records of the application the integrations of stories belong to.
const OWNER: (&str, &str) = ("example", "story");

pub(super) struct Stage {
    pub(super) app: App,
    pub(super) zendesk: api::Zendesk,
    url: String,
    clock: Arc<ManualClock>,
}

impl Stage {
    pub(super) async fn set(store: &Store, timeline: Timeline) -> Result<Self, Error> {
        let morning = DateTime::from_timestamp(MORNING, 0).ok_or("a time")?;
        let clock = Arc::new(ManualClock::new(morning));
        let app = App::open(store, Time::SetForward(clock.clone()), timeline)?;
        let (zendesk, url) = api::Zendesk::start().await?;
        // What was played before in this store.
        let (kind, id) = OWNER;
        let before = IntegrationFilter::new().owner(kind, id);
        for integration in app.integrations.list(before).await? {
            app.integrations.delete(integration.id).await?;
        }
        Desk::clear(store).await?;
        Ok(Self {
            app,
            zendesk,
            url,
            clock,
        })
    }

    /// A state that listeners ask for.
    pub(super) fn state<T: Any + Send + Sync>(&self) -> Result<&T, Error> {
        let state = self.app.events.state::<T>();
        Ok(state.ok_or("the dispatcher has it from its builder")?)
    }

    /// The account as it is stored when somebody connects it.
    pub(super) async fn connect(&self) -> Result<Integration, Error> {
        let credentials = ZendeskCredentials {
            email: "agent@helpdesk.example".to_owned(),
            token: "a token that nobody else sees".to_owned(),
        };
        let metadata = ZendeskMetadata {
            url: self.url.clone(),
        };
        let (kind, id) = OWNER;
        let new = NewIntegration::of::<Zendesk>("Support")
            .credentials(credentials)?
            .metadata(metadata)?
            .owner(kind, id);
        Ok(self.app.integrations.create(new).await?)
    }

    fn now(&self) -> DateTime<Utc> {
        self.app.events.now()
    }

    /// Sets the clock forward to this time of the day, and says what is told now.
    pub(super) fn at(&self, hour: u32, minute: u32, title: &str) -> Result<(), Error> {
        let time = NaiveTime::from_hms_opt(hour, minute, 0).ok_or("a time")?;
        let until = self.now().date_naive().and_time(time).and_utc();
        self.clock.advance(until - self.now());
        self.state::<Timeline>()?.title(until, title);
        Ok(())
    }

    /// A line of the timeline.
    pub(super) fn tell(&self, who: &str, what: &str) -> Result<(), Error> {
        self.state::<Timeline>()?.line(self.now(), who, what);
        Ok(())
    }

    /// What a scheduler and a worker do all day: due runs are started, their tickets and all jobs are worked at.
    pub(super) async fn run_due(&self) -> Result<(), Error> {
        let started = Scheduler::new(&self.app.integrations).run_due().await?;
        if started.is_empty() {
            self.tell("scheduler", "nothing is due")?;
        }
        for start in started {
            if let SyncStart::Enumerated(run) = start {
                self.tell("scheduler", &format!("{} tickets found", run.enumerated))?;
                self.follow(run).await?;
            }
        }
        self.work().await
    }

    /// Works at the tickets of a run, and tells how far that has come.
    async fn follow(&self, run: SyncRun) -> Result<(), Error> {
        let integrations = &self.app.integrations;
        let id = run.id;
        let mut finished = pin!(integrations.finish(run));
        let mut update = interval_at(Instant::now() + UPDATE, UPDATE);
        loop {
            tokio::select! {
                biased;
                run = &mut finished => return run.map(drop).map_err(Error::from),
                _ = update.tick() => {
                    let progress = integrations.progress(id).await?;
                    let (done, all) = (progress.done, progress.enumerated);
                    self.tell("progress", &format!("{done} of {all} done, {} failed", progress.failed))?;
                }
            }
        }
    }

    /// Works at all jobs, while the clock is set forward: what waits for its next attempt waits milliseconds.
    pub(super) async fn work(&self) -> Result<(), Error> {
        let hurry = async {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.clock.advance(TimeDelta::seconds(1));
            }
        };
        let worker =
            Worker::new(&self.app.events, &self.app.store).poll_every(Duration::from_millis(5));
        tokio::select! {
            drained = worker.drain() => drained.map(drop).map_err(Error::from),
            never = hurry => match never {},
        }
    }

    /// What a monitor does every minute: asks whether the account works.
    pub(super) async fn check(&self, support: &Integration) -> Result<Integration, Error> {
        self.clock.advance(TimeDelta::minutes(1));
        let (integration, said) = self.app.integrations.check_health(support.id).await?;
        let what = match said {
            Ok(()) => "it answers".to_owned(),
            Err(failure) => failure.to_string(),
        };
        self.tell("monitor", &what)?;
        self.work().await?;
        Ok(integration)
    }
}
