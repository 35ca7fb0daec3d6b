//! Spans of dispatches, listeners and jobs, what they say, and the traces that jobs carry.
//!
//! Names and places go into spans and log lines, and the text of a listener's own error. Nothing that an event, a
//! payload or a state holds does.

mod subscribers;
mod trace;

pub(crate) use subscribers::watch_subscribers;
pub use trace::TraceContext;

use std::any::Any;
use std::sync::Mutex;

use tracing::Span;
use tracing::field::{Empty, display};

use crate::BoxError;
use crate::delivery::Delivery;
use crate::dispatch::Refusal;
use crate::event::EventMeta;
use crate::events::Events;
use crate::future::{caught, message_in, text_of};
use crate::listener::ListenerRecord;
use crate::queue::{Job, JobFailure, ParkReason, PushError, Verdict};
use crate::sync::lock;
use crate::table::Table;

/// Opens the span of a dispatch, which may write an announcement among its jobs.
pub(crate) fn dispatch_span(
    events: &Events,
    meta: &EventMeta,
    table: &Table,
    announced: bool,
) -> Span {
    let event = meta.display_name();
    let span = tracing::info_span!(
        target: subscribers::TARGET,
        "dispatch",
        event,
        delivery = Empty,
        jobs = Empty,
        otel.name = Empty,
        otel.kind = Empty,
    );
    named(events, &span, format_args!("dispatch {event}"));
    // Once a span is entered, OpenTelemetry takes no other kind.
    if announced || !table.queued().is_empty() {
        span.record("otel.kind", "producer");
    }
    span
}

/// Notes on a dispatch's span what identifies it, and how many jobs it has made.
pub(crate) fn identify(span: &Span, delivery: Option<Delivery>, jobs: usize) {
    if let Some(delivery) = delivery {
        span.record("delivery", display(delivery.id));
    }
    if jobs > 0 {
        span.record("jobs", jobs);
    }
}

/// Opens the span of a listener's call.
pub(crate) fn listener_span(events: &Events, listener: &ListenerRecord) -> Span {
    let span = tracing::info_span!(
        target: subscribers::TARGET,
        "listener",
        listener = &*listener.name,
        code.file.path = listener.source.file,
        code.line.number = listener.source.line,
        otel.name = Empty,
    );
    named(events, &span, format_args!("{}", listener.name));
    span
}

/// Where traces are carried, spans have names that tell them apart: trace viewers show little else.
fn named(events: &Events, span: &Span, name: std::fmt::Arguments<'_>) {
    if events.trace().is_some() && !span.is_disabled() {
        span.record("otel.name", display(name));
    }
}

/// Notes on a listener's span that it failed.
pub(crate) fn failed(span: &Span, error: &BoxError) {
    tell_failure(span, &text_of(error));
}

/// Notes on a listener's span that it panicked.
pub(crate) fn panicked(span: &Span, payload: &(dyn Any + Send)) {
    tell_failure(span, &format!("panicked: {}", message_in(payload)));
}

fn tell_failure(span: &Span, error: &str) {
    span.in_scope(|| tracing::error!(target: subscribers::TARGET, error, "the listener failed"));
}

/// Notes on a dispatch's span why nothing ran.
pub(crate) fn refused(span: &Span, refusal: &Refusal) {
    if span.is_disabled() {
        return;
    }
    // What cannot be written may be quoted by the text that says so.
    let error = match refusal {
        Refusal::Encode(_) => "the payload cannot be written".to_owned(),
        Refusal::Push(PushError::Failed(_)) => "the queue failed".to_owned(),
        refusal => text_of(refusal),
    };
    span.in_scope(
        || tracing::error!(target: subscribers::TARGET, error, "the dispatch was refused"),
    );
}

/// The span of an async listener that has not ended, between its polls.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<Span>>);

impl Kept {
    pub(crate) fn keep(&self, span: Span) {
        *lock(&self.0) = Some(span);
    }

    pub(crate) fn take(&self) -> Option<Span> {
        lock(&self.0).take()
    }
}

/// The trace to be carried by the jobs of a dispatch whose span is entered. A carrier that panics carries nothing.
pub(crate) fn current_trace(events: &Events) -> Option<String> {
    let context = events.trace()?;
    let trace = caught(|| context.current()).ok().flatten()?;
    let valid = trace::valid(&trace).map(ToOwned::to_owned);
    if valid.is_none() {
        tracing::debug!("the trace context gives what is not a `traceparent`: no job carries it");
    }
    valid
}

impl Events {
    /// The trace of the span that is entered, as it travels with what is run later and elsewhere; none without a
    /// [`TraceContext`]. Jobs carry it by themselves.
    #[must_use]
    pub fn current_trace(&self) -> Option<String> {
        current_trace(self)
    }

    /// Ties a span, which is new and not entered yet, to the trace that its work carries, and records that as its field
    /// `traceparent`. What is no trace is left out.
    pub fn adopt_trace(&self, span: &Span, trace: &str) {
        if span.is_disabled() {
            return;
        }
        let Some(trace) = trace::valid(trace) else {
            tracing::debug!("what is to be adopted is not a `traceparent`: it is left out");
            return;
        };
        span.record("traceparent", trace::parent(trace));
        if let Some(context) = self.trace()
            && let Err(message) = caught(|| context.adopt(span, trace))
        {
            tracing::debug!(
                message,
                "the trace context panicked: what runs is without its trace"
            );
        }
    }

    /// The span in which whoever runs a job calls [`process`](Self::process), [`conclude`](Self::conclude) and
    /// [`run_failed`](Self::run_failed): the span of its listener is a child of it, and it belongs to the trace that the
    /// job carries.
    ///
    /// ```
    /// # use events_core::{Events, Job, Verdict};
    /// use tracing::Instrument;
    ///
    /// async fn attempt(events: &Events, job: &Job) -> Verdict {
    ///     events.process(job).instrument(events.job_span(job)).await
    /// }
    /// ```
    #[must_use]
    pub fn job_span(&self, job: &Job) -> Span {
        let span = tracing::info_span!(
            target: subscribers::TARGET,
            "job",
            event = job.event,
            listener = job.listener,
            attempt = job.attempts,
            delivery = %job.delivery.id,
            outcome = Empty,
            traceparent = Empty,
            messaging.message.id = %job.id,
            messaging.destination.name = job.queue,
            messaging.operation.type = "process",
            otel.name = Empty,
            otel.kind = "consumer",
        );
        if span.is_disabled() {
            return span;
        }
        named(self, &span, format_args!("process {}", job.queue));
        if let Some(trace) = &job.trace {
            self.adopt_trace(&span, trace);
        }
        span
    }
}

/// Tells what became of an attempt, in the span in which it ran.
pub(crate) fn tell_verdict(job: &Job, verdict: &Verdict) {
    let outcome = |outcome| {
        Span::current().record("outcome", outcome);
    };
    let id = job.id;
    let (event, listener) = (&*job.event, &*job.listener);
    match verdict {
        Verdict::Done => outcome("done"),
        Verdict::Discarded(failure) => {
            outcome("discarded");
            let reason = failure.reason();
            tracing::info!(job = %id, event, listener, %reason, "the job is discarded");
        }
        Verdict::Retry { at, failure } => {
            outcome("retry");
            let error = told(failure);
            tracing::warn!(job = %id, event, listener, %at, error, "the attempt failed: there will be another");
        }
        Verdict::Park(failure) => {
            outcome("parked");
            let (reason, error) = (failure.reason(), told(failure));
            tracing::error!(job = %id, event, listener, %reason, error, "the job has failed for good: it is parked");
        }
    }
}

/// What may be told of a failure: where the payload itself is at fault, the message quotes it.
fn told(failure: &JobFailure) -> Option<&str> {
    match failure.reason() {
        ParkReason::Undecodable | ParkReason::MissingModel => None,
        _ => Some(failure.message()),
    }
}
