//! What the story is played with: the API, the application, and a clock that is set forward.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use events_core::ManualClock;
use events_std::{
    Integration, IntegrationFilter, ItemFilter, ItemStatus, NewIntegration, RunState, Scheduler,
    Store, SyncStart, Worker,
};
use helpdesk_listeners::{Desk, Timeline};
use helpdesk_zendesk::{Zendesk, ZendeskCredentials, ZendeskMetadata};
use tokio::time::sleep;

use super::api;
use super::consent::{Browser, CLIENT};
use super::hooks::{self, Hook, Sender};
use super::pages::Pages;
use crate::{App, Error, Time};

/// How often progress is told.
const UPDATE: Duration = Duration::from_millis(100);

/// How often it is looked whether all that is left waits.
const LOOK: Duration = Duration::from_millis(20);

/// So far is the clock set forward at once.
const HURRY: TimeDelta = TimeDelta::seconds(15);

/// A Monday morning: 2026-01-05 09:00 UTC.
const MORNING: i64 = 1_767_603_600;

/// Which records of the application the integrations of stories belong to.
const OWNER: (&str, &str) = ("example", "story");

pub(super) struct Stage {
    pub(super) app: App,
    pub(super) zendesk: api::Zendesk,
    pub(super) browser: Browser,
    sender: Sender,
    url: String,
    clock: Arc<ManualClock>,
}

impl Stage {
    pub(super) async fn set(store: &Store, timeline: Timeline) -> Result<Self, Error> {
        let morning = DateTime::from_timestamp(MORNING, 0).ok_or("a time")?;
        let clock = Arc::new(ManualClock::new(morning));
        let pages = Pages::open().await?;
        let app = App::of(store, Time::SetForward(clock.clone()), timeline, |engine| {
            engine.oauth(pages.settings())
        })?;
        let (zendesk, url) = api::Zendesk::start().await?;
        // What was played before in this store.
        let (kind, id) = OWNER;
        let before = IntegrationFilter::new().owner(kind, id);
        for integration in app.integrations.list(before).await? {
            app.integrations.delete(integration.id).await?;
        }
        Desk::clear(store).await?;
        let (browser, sender) = (
            Browser::of(pages.url.clone())?,
            Sender::to(pages.url.clone())?,
        );
        pages.serve(&app.integrations)?;
        Ok(Self {
            app,
            zendesk,
            browser,
            sender,
            url,
            clock,
        })
    }

    /// The account as it is stored when somebody has connected it: without a token first, and then with the one that
    /// Zendesk gives when that person agrees.
    pub(super) async fn connect(&self) -> Result<Integration, Error> {
        let credentials = ZendeskCredentials {
            client_id: CLIENT.0.to_owned(),
            client_secret: CLIENT.1.to_owned(),
            webhook_secret: hooks::SECRET.to_owned(),
            ..ZendeskCredentials::default()
        };
        let metadata = ZendeskMetadata {
            url: self.url.clone(),
        };
        let (kind, id) = OWNER;
        let new = NewIntegration::of::<Zendesk>("Support")
            .credentials(credentials)?
            .metadata(metadata)?
            .owner(kind, id);
        let created = self.app.integrations.create(new).await?;
        self.browser.connect(created.id).await?;
        Ok(created)
    }

    fn now(&self) -> DateTime<Utc> {
        self.app.events.now()
    }

    /// Sets the clock forward to this time of the day, and says what is told now.
    pub(super) fn at(&self, hour: u32, minute: u32, title: &str) -> Result<(), Error> {
        let time = NaiveTime::from_hms_opt(hour, minute, 0).ok_or("a time")?;
        let until = self.now().date_naive().and_time(time).and_utc();
        self.clock.advance(until - self.now());
        self.app.state::<Timeline>()?.title(until, title);
        Ok(())
    }

    /// A line of the timeline.
    pub(super) fn tell(&self, who: &str, what: &str) -> Result<(), Error> {
        self.app.state::<Timeline>()?.line(self.now(), who, what);
        Ok(())
    }

    /// Somebody sends a webhook, and tells what that says and how it is answered.
    pub(super) async fn send(
        &self,
        hook: &Hook,
        to: &Integration,
        (who, what): (&str, &str),
    ) -> Result<(), Error> {
        let answer = self.sender.send(hook, to, self.now()).await?;
        self.tell(who, &format!("{what}: {answer}"))
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
            }
        }
        self.work().await
    }

    /// Works at all tickets and jobs until none is left, and tells how far that has come. While all that is left waits
    /// for its next attempt, the clock is set forward.
    pub(super) async fn work(&self) -> Result<(), Error> {
        let App {
            store,
            events,
            integrations,
        } = &self.app;
        let worker = Worker::new(events, store)
            .sync_items(integrations)
            .poll_every(Duration::from_millis(5));
        // Beside the worker, which waits for none of their questions.
        tokio::select! {
            left = worker.drain() => Ok(left.map(drop)?),
            Err(error) = self.hurry() => Err(error),
            Err(error) = self.tell_progress() => Err(error),
        }
    }

    /// Sets the clock forward whenever all that is left waits for its next attempt.
    async fn hurry(&self) -> Result<Infallible, Error> {
        loop {
            sleep(LOOK).await;
            if self.only_waits().await? {
                self.clock.advance(HURRY);
            }
        }
    }

    /// Whether nothing can be done now.
    async fn only_waits(&self) -> Result<bool, Error> {
        let stats = self.app.store.queue_stats(&self.app.events).await?;
        if stats
            .queues
            .iter()
            .any(|queue| queue.due + queue.running > 0)
        {
            return Ok(false);
        }
        for status in [ItemStatus::Processing, ItemStatus::Pending] {
            let filter = ItemFilter::new().status(status).limit(20);
            let items = self.app.integrations.sync_items(&filter).await?;
            if items
                .iter()
                .any(|item| status == ItemStatus::Processing || item.attempts == 0)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells how far the open runs have come, again and again.
    async fn tell_progress(&self) -> Result<Infallible, Error> {
        let mut told = String::new();
        loop {
            sleep(UPDATE).await;
            self.tell_what_is_new(&mut told).await?;
        }
    }

    /// How far the open runs have come, if that is not told yet.
    async fn tell_what_is_new(&self, told: &mut String) -> Result<(), Error> {
        let integrations = &self.app.integrations;
        let (kind, id) = OWNER;
        let filter = IntegrationFilter::new().owner(kind, id);
        for integration in integrations.list(filter).await? {
            let status = integrations.sync_status(integration.id).await?;
            let Some((run, progress)) = status.filter(|(run, _)| run.state == RunState::Open)
            else {
                continue;
            };
            let (done, failed) = (progress.done, progress.failed);
            let what = format!("{done} of {} done, {failed} failed", run.enumerated);
            if *told != what {
                self.tell("progress", &what)?;
                *told = what;
            }
        }
        Ok(())
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
