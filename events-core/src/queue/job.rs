//! A job: one queued listener's share of one event.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::ParkReason;
use crate::BoxError;
use crate::delivery::Delivery;
use crate::event::AnyEvent;
use crate::listener::{ListenerRecord, QueueOptions};

/// One queued listener's share of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Identifies the job: a version 7 UUID.
    pub id: Uuid,
    /// The queue's name.
    pub queue: String,
    /// The event's stored name.
    pub event: String,
    /// The version of the event's wire form.
    pub version: u32,
    /// The event, as JSON. Jobs of one event share it.
    pub payload: Arc<str>,
    /// The listener's name.
    pub listener: String,
    /// The dispatch it comes from.
    pub delivery: Delivery,
    /// When the next attempt may start.
    pub run_at: DateTime<Utc>,
    /// When no attempt may start any more.
    pub expires_at: Option<DateTime<Utc>>,
    /// What makes it equal to another job of its listener.
    pub unique_key: Option<String>,
    /// Until when it keeps equal jobs away; none: until it ends.
    pub unique_until: Option<DateTime<Utc>>,
    /// Jobs of one listener and one such key run in the order in which they were dispatched, never two at once.
    pub order_key: Option<String>,
    /// The names that its listener had before, as a push tells: jobs with its keys may be stored under these too.
    pub formerly: &'static [&'static str],
    /// The trace it belongs to, as a `traceparent` header has it (W3C Trace Context), with a space and the `tracestate`
    /// behind it where there is one.
    pub trace: Option<String>,
    /// How many attempts have started. Whoever runs the job counts one *before* the run.
    pub attempts: u32,
}

impl Job {
    /// What stands for the listener in an announcement: the job in which all inline listeners of an
    /// `#[event(announced)]` run. No listener has this name.
    pub const ANNOUNCEMENT: &'static str = "*";

    /// The job in which the event's inline listeners run.
    pub(crate) fn announcement(
        event: &dyn AnyEvent,
        payload: &Arc<str>,
        delivery: Delivery,
        trace: Option<&str>,
    ) -> Self {
        let meta = event.any_meta();
        Self {
            id: Uuid::now_v7(),
            queue: QueueOptions::DEFAULT_QUEUE.to_owned(),
            event: meta.display_name().to_owned(),
            version: meta.durable.map_or(1, |form| form.version),
            payload: payload.clone(),
            listener: Self::ANNOUNCEMENT.to_owned(),
            delivery,
            run_at: delivery.at,
            expires_at: None,
            unique_key: None,
            unique_until: None,
            order_key: None,
            formerly: &[],
            trace: trace.map(str::to_owned),
            attempts: 0,
        }
    }

    /// The job of a listener, or none if it is not queued.
    pub(crate) fn for_listener(
        event: &dyn AnyEvent,
        listener: &ListenerRecord,
        payload: &Arc<str>,
        delivery: Delivery,
        trace: Option<&str>,
    ) -> Option<Self> {
        let options = listener.queue?;
        let meta = event.any_meta();
        Some(Self {
            id: Uuid::now_v7(),
            queue: options.queue.to_owned(),
            event: meta.display_name().to_owned(),
            version: meta.durable.map_or(1, |form| form.version),
            payload: payload.clone(),
            listener: listener.name.to_string(),
            delivery,
            run_at: later(delivery.at, options.delay.unwrap_or_default()),
            expires_at: options.retry_for.map(|span| later(delivery.at, span)),
            unique_key: options.unique.map(|unique| match unique.key {
                Some(key) => key(event),
                None => payload.to_string(),
            }),
            unique_until: options
                .unique
                .and_then(|unique| unique.for_at_most)
                .map(|span| later(delivery.at, span)),
            order_key: options.order_by.map(|key| key(event)),
            formerly: listener.formerly,
            trace: trace.map(str::to_owned),
            attempts: 0,
        })
    }
}

/// A time after another; the latest there is, where it would be later than that.
pub(super) fn later(than: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| than.checked_add_signed(by))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// What became of one attempt.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The listener ran; the job is done.
    Done,
    /// A model is gone and the listener wants such jobs discarded; the job is done.
    Discarded(JobFailure),
    /// The attempt failed; the next may start at this time.
    Retry {
        /// When.
        at: DateTime<Utc>,
        /// Why the attempt failed.
        failure: JobFailure,
    },
    /// The job has failed for good: run the listener's hook ([`Events::run_failed`](crate::Events::run_failed)), and
    /// keep the job, with this reason, where a person can see and retry it.
    Park(JobFailure),
}

/// Why an attempt failed.
#[derive(Clone, Debug)]
pub struct JobFailure {
    reason: ParkReason,
    message: String,
    error: Option<Arc<BoxError>>,
}

impl JobFailure {
    pub(super) fn new(reason: ParkReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            error: None,
        }
    }

    pub(super) fn with_error(mut self, error: BoxError) -> Self {
        self.error = Some(Arc::new(error));
        self
    }

    pub(super) fn with_reason(mut self, reason: ParkReason) -> Self {
        self.reason = reason;
        self
    }

    /// The reason that is kept with the job.
    #[must_use]
    pub fn reason(&self) -> ParkReason {
        self.reason
    }

    /// What the listener said, or what is wrong with the job.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The listener's own error, where it returned one.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.error.as_ref().map(|error| &***error)
    }
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}
