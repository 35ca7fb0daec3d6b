//! The run of one job: the same for every queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::job::{Job, JobFailure, Verdict, later};
use super::{ParkReason, Permanent, inline};
use crate::BoxError;
use crate::context::{Context, Terms};
use crate::delivery::Attempt;
use crate::dispatch::{Failure, FailureCause, ListenerInfo, dispatch_job};
use crate::durable::DecodeError;
use crate::event::AnyEvent;
use crate::events::Events;
use crate::extensions::Extensions;
use crate::future::{CatchPanic, message_of, text_of};
use crate::listener::{Kind, OnMissing, QueueOptions};
use crate::table::{Entry, Table};
use crate::telemetry;

/// What a worker must know of a queued listener before it claims a job of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one question of a worker"
)]
pub struct Claimable {
    /// The event's stored name.
    pub event: &'static str,
    /// A version of the event's wire form that this program reads: today's, or one that upcasters turn into it.
    pub version: u32,
    /// A name of the listener: today's, or one it had.
    pub listener: String,
    /// The queue that its new jobs go to.
    pub queue: &'static str,
    /// Whether its function is not async, so that it belongs on a thread that may block.
    pub blocks: bool,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// Whether it asks for the transaction of its job's run.
    pub wants_transaction: bool,
    /// Whether it has a `failed` hook.
    pub has_hook: bool,
    /// Whether the function of its `failed` hook is not async, so that it belongs on a thread that may block.
    pub hook_blocks: bool,
    /// Whether its `failed` hook asks for a transaction: then it wants one of its own, in which the job is parked too.
    pub hook_wants_transaction: bool,
    /// Whether its jobs keep equal ones away only until their first attempt starts.
    pub unique_until_start: bool,
    /// Whether its jobs run in the order of a key.
    pub in_order: bool,
    /// The listener's other names, if its jobs run in the order of a key: stored under any of them, they wait for each
    /// other.
    pub in_order_with: Vec<String>,
}

impl Events {
    /// Runs one attempt of a job: reads the event, loads its models, runs the listener. Nothing the job holds makes
    /// this panic. Whoever calls has counted the attempt in `job.attempts` before, and carries out the verdict.
    ///
    /// A job whose attempts are spent, because the last did not come to its end, or whose time is over, gets no attempt:
    /// it is to be parked.
    ///
    /// This is the current dispatcher meanwhile: what the listener dispatches by `event.dispatch()` goes through it, with
    /// the job's dispatch as its cause.
    pub async fn process(&self, job: &Job) -> Verdict {
        self.process_with(job, &Extensions::new()).await
    }

    /// As [`process`](Self::process), with values that the listener may ask for, as the job's transaction.
    pub async fn process_with(&self, job: &Job, extensions: &Extensions) -> Verdict {
        let here = self.caused_by(&job.delivery);
        let verdict = here.scope(self.attempt(job, extensions)).await;
        telemetry::tell_verdict(job, &verdict);
        verdict
    }

    async fn attempt(&self, job: &Job, extensions: &Extensions) -> Verdict {
        if job.listener == Job::ANNOUNCEMENT {
            return self.announce(job, extensions).await;
        }
        let (entry, options) = match self.listener_of(job) {
            Ok(found) => found,
            Err(failure) => return Verdict::Park(failure),
        };
        if job.expires_at.is_some_and(|expiry| self.now() > expiry) {
            let failure = JobFailure::new(
                ParkReason::Expired,
                "the time in which attempts may start is over",
            );
            return Verdict::Park(failure);
        }
        if job.attempts > options.max_tries() {
            let failure = JobFailure::new(
                ParkReason::Exhausted,
                "the last attempt that it may have did not come to its end",
            );
            return Verdict::Park(failure);
        }
        let terms = Terms {
            attempt: attempt(job, options, self.now()),
            extensions: Some(extensions),
            ..Terms::inline(false)
        };
        let event = match self.read(job).await {
            Ok(event) => event,
            Err(failure) => {
                return match failure.reason() {
                    ParkReason::MissingModel if options.on_missing == OnMissing::Discard => {
                        Verdict::Discarded(failure)
                    }
                    // A loader failed: as good as the listener itself.
                    ParkReason::Exhausted => retry_or_park(job, options, self.now(), failure),
                    _ => Verdict::Park(failure),
                };
            }
        };
        let failed = dispatch_job(self, &*event, entry, job.delivery, &terms).await;
        let verdict = match failed {
            Some(failed) => retry_or_park(job, options, self.now(), describe(failed)),
            None => Verdict::Done,
        };
        drop_apart(event);
        verdict
    }

    /// Runs the `failed` hook of the job's listener, if it has one, before the job is parked for this failure. Whoever
    /// calls gives a hook that asks for a transaction ([`Claimable::hook_wants_transaction`]) one that is neither the
    /// listener's nor anybody else's, and parks the job in it: then what the hook wrote exists if and only if the job is
    /// parked.
    ///
    /// False: the hook has failed, which the error hook was told; the job is parked all the same, without what the hook
    /// wrote. A hook needs the event: none runs where the event cannot be made, as from a payload that cannot be read.
    pub async fn run_failed(
        &self,
        job: &Job,
        failure: &JobFailure,
        extensions: &Extensions,
    ) -> bool {
        let Ok((entry, options)) = self.listener_of(job) else {
            return true;
        };
        let Some(hook) = options.failed else {
            return true;
        };
        let Ok(event) = self.read(job).await else {
            return true;
        };
        let terms = Terms {
            attempt: attempt(job, options, self.now()),
            extensions: Some(extensions),
            ..Terms::inline(false)
        };
        let table = Table::of(Vec::new(), Vec::new(), Vec::new(), 0);
        let running = CatchPanic::new(AssertUnwindSafe(|| {
            let cx = Context::new(self, &*event, &table)
                .of_delivery(Some(job.delivery))
                .on_terms(&terms);
            hook.run(&*event, failure, &cx)
        }));
        let here = self.caused_by(&job.delivery);
        let ran = here.scope(running).await;
        let meta = event.any_meta();
        drop_apart(event);
        let cause = match ran {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => FailureCause::Error(error),
            Err(payload) => FailureCause::Panic(message_of(payload)),
        };
        let listener = ListenerInfo(entry.record().clone());
        self.tell_failures(&[Failure::new(meta, listener, cause)]);
        false
    }

    /// Decides what follows an attempt that did not come to its end, as after a timeout or the death of its process:
    /// another attempt, or, after the last one, the job is to be parked for `reason`.
    #[must_use]
    pub fn conclude(&self, job: &Job, reason: ParkReason, message: &str) -> Verdict {
        let options = if job.listener == Job::ANNOUNCEMENT {
            Ok(&ANNOUNCED)
        } else {
            self.listener_of(job).map(|(_, options)| options)
        };
        let verdict = match options {
            Ok(options) => {
                let failure = JobFailure::new(reason, message);
                retry_or_park(job, options, self.now(), failure)
            }
            Err(failure) => Verdict::Park(failure),
        };
        telemetry::tell_verdict(job, &verdict);
        verdict
    }

    /// The queued listeners of this dispatcher, by every name under which jobs of theirs may be stored: what a worker
    /// may claim.
    #[must_use]
    pub fn claimable(&self) -> Vec<Claimable> {
        let mut claimable = Vec::new();
        for meta in self.inner().parts().wiring.events() {
            let (Some(name), Some(form)) = (meta.name, meta.durable) else {
                continue;
            };
            let older = self.inner().parts().wiring.upcasters().of(meta).iter();
            let versions = std::iter::once(form.version).chain(older.map(|older| older.from()));
            let table = self.inner().merged(meta);
            if meta.announced {
                claimable.extend(
                    versions
                        .clone()
                        .map(|version| announcements(name, version, &table)),
                );
            }
            for entry in table.queued() {
                let record = entry.record();
                let Some(options) = record.queue else {
                    continue;
                };
                let names = std::iter::once(&*record.name).chain(record.formerly.iter().copied());
                let ordered = options.order_by.is_some();
                let others = names.clone().filter(|_| ordered);
                let keys = names.flat_map(|name| versions.clone().map(move |of| (name, of)));
                claimable.extend(keys.map(|(listener, version)| {
                    Claimable {
                        event: name,
                        version,
                        listener: listener.to_owned(),
                        queue: options.queue,
                        blocks: record.kind == Kind::Sync,
                        timeout: options.timeout,
                        wants_transaction: entry.wants_extension(),
                        has_hook: options.failed.is_some(),
                        hook_blocks: options.failed.is_some_and(|hook| hook.blocks()),
                        hook_wants_transaction: options
                            .failed
                            .is_some_and(|hook| hook.wants_extension()),
                        unique_until_start: options.unique.is_some_and(|unique| unique.until_start),
                        in_order: ordered,
                        in_order_with: others
                            .clone()
                            .filter(|other| *other != listener)
                            .map(str::to_owned)
                            .collect(),
                    }
                }));
            }
        }
        claimable
    }

    /// Runs an announcement: all inline listeners of its event.
    async fn announce(&self, job: &Job, extensions: &Extensions) -> Verdict {
        if job.attempts > ANNOUNCED.max_tries() {
            return Verdict::Park(JobFailure::new(
                ParkReason::Exhausted,
                "the last attempt that it may have did not come to its end",
            ));
        }
        let event = match self.read(job).await {
            Ok(event) => event,
            Err(failure) if failure.reason() == ParkReason::Exhausted => {
                return retry_or_park(job, &ANNOUNCED, self.now(), failure);
            }
            Err(failure) => return Verdict::Park(failure),
        };
        let attempt = attempt(job, &ANNOUNCED, self.now());
        let ran = self
            .run_inline(&*event, job.delivery, attempt, extensions)
            .await;
        drop_apart(event);
        match ran {
            Ok(()) => Verdict::Done,
            Err(error) => {
                let failure = JobFailure::new(reason_of(error.is_permanent()), text_of(&error));
                retry_or_park(job, &ANNOUNCED, self.now(), failure)
            }
        }
    }

    /// The listener of a job, by its stored name or one it had before.
    fn listener_of(&self, job: &Job) -> Result<(Entry, &'static QueueOptions), JobFailure> {
        let unknown = |reason, message: String| Err(JobFailure::new(reason, message));
        let Some(meta) = self.inner().parts().wiring.event_named(&job.event) else {
            return Err(unreadable(DecodeError::UnknownEvent(job.event.clone())));
        };
        if !self
            .inner()
            .parts()
            .wiring
            .upcasters()
            .reaches(meta, job.version)
        {
            return Err(unreadable(DecodeError::unknown_version(meta, job.version)));
        }
        let table = self.inner().merged(meta);
        let found = table.queued().iter().find(|entry| {
            let record = entry.record();
            record.name == job.listener || record.formerly.contains(&&*job.listener)
        });
        let Some((entry, options)) =
            found.and_then(|entry| Some((entry.clone(), entry.record().queue?)))
        else {
            return unknown(
                ParkReason::UnknownListener,
                format!(
                    "`{}` has no queued listener named `{}`",
                    job.event, job.listener
                ),
            );
        };
        let name = &entry.record().name;
        if let Some(fault) = table
            .faults()
            .iter()
            .find(|fault| fault.listener().is_some_and(|at| at.name() == name))
        {
            return unknown(ParkReason::Unwired, fault.to_string());
        }
        Ok((entry, options))
    }

    async fn read(&self, job: &Job) -> Result<Box<dyn AnyEvent>, JobFailure> {
        self.decode(&job.event, job.version, &job.payload).await
    }

    /// Makes a stored event again from its wire form: upcasters turn it into today's version, then the models that it
    /// names are loaded.
    ///
    /// # Errors
    ///
    /// If this program has no such event, or cannot read this version of it, the payload cannot be read, or a model is
    /// gone or cannot be loaded: [`JobFailure::reason`] tells which. `Exhausted` is a loader that failed, which may
    /// succeed later, and `Permanent` one that [will not](crate::Permanent).
    pub async fn decode(
        &self,
        event: &str,
        version: u32,
        payload: &str,
    ) -> Result<Box<dyn AnyEvent>, JobFailure> {
        let Some(meta) = self.inner().parts().wiring.event_named(event) else {
            return Err(unreadable(DecodeError::UnknownEvent(event.to_owned())));
        };
        let reading = CatchPanic::new(AssertUnwindSafe(|| self.reading(meta, version, payload)));
        match reading.await {
            Ok(Ok(event)) => Ok(event),
            Ok(Err(error)) => Err(unreadable(error)),
            // A loader, or a field's own `Deserialize`, panicked.
            Err(payload) => Err(JobFailure::new(
                ParkReason::Exhausted,
                format!("panicked while the event was read: {}", message_of(payload)),
            )),
        }
    }
}

/// Drops an event after its run. One that panics then changes nothing of how the run has ended.
fn drop_apart(event: Box<dyn AnyEvent>) {
    let name = event.any_meta().ident;
    if let Err(payload) = catch_unwind(AssertUnwindSafe(move || drop(event))) {
        tracing::error!(event = name, panic = %message_of(payload), "an event panicked when it was dropped");
    }
}

/// How an announcement is tried again: as a listener that says nothing of it.
static ANNOUNCED: QueueOptions = QueueOptions::new(QueueOptions::DEFAULT_QUEUE);

/// What a worker must know of an event's announcements.
fn announcements(event: &'static str, version: u32, table: &Table) -> Claimable {
    Claimable {
        event,
        version,
        listener: Job::ANNOUNCEMENT.to_owned(),
        queue: ANNOUNCED.queue,
        blocks: inline::blocks(table),
        timeout: None,
        wants_transaction: false,
        has_hook: false,
        hook_blocks: false,
        hook_wants_transaction: false,
        unique_until_start: false,
        in_order: false,
        in_order_with: Vec::new(),
    }
}

fn attempt(job: &Job, options: &QueueOptions, now: DateTime<Utc>) -> Attempt {
    Attempt {
        number: job.attempts,
        max: Some(options.max_tries()).filter(|tries| *tries < u32::MAX),
        likely_final: next_at(job, options, now).is_none(),
    }
}

/// When the attempt after this one may start, if there is one.
fn next_at(job: &Job, options: &QueueOptions, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let at = later(now, wait_after(job, options));
    let in_time = job.expires_at.is_none_or(|expiry| at <= expiry);
    (job.attempts < options.max_tries() && in_time).then_some(at)
}

/// The wait after the job's attempt. With jitter it is between half of it and the whole: where, the job's own id and the
/// attempt decide, so that whoever asks hears the same.
fn wait_after(job: &Job, options: &QueueOptions) -> Duration {
    let wait = options.waits().after(job.attempts);
    if !options.jitter {
        return wait;
    }
    let (_, random) = job.id.as_u64_pair();
    let mixed = (random ^ u64::from(job.attempts)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The highest bits are mixed best.
    let thousandths = u32::try_from((mixed >> 32) % 1_001).unwrap_or(1_000);
    let half = wait / 2;
    half + half
        .checked_mul(thousandths)
        .map_or(half, |part| part / 1_000)
}

fn retry_or_park(
    job: &Job,
    options: &QueueOptions,
    now: DateTime<Utc>,
    failure: JobFailure,
) -> Verdict {
    if failure.reason() == ParkReason::Permanent {
        return Verdict::Park(failure);
    }
    match next_at(job, options, now) {
        Some(at) => Verdict::Retry { at, failure },
        None if job.attempts < options.max_tries() => {
            Verdict::Park(failure.with_reason(ParkReason::Expired))
        }
        None => Verdict::Park(failure),
    }
}

/// The listener's failure. Its text is the user's own `Display`, which may panic.
fn describe(failure: Failure) -> JobFailure {
    match failure.into_cause() {
        FailureCause::Error(error) => failed(text_of(&error), error),
        FailureCause::Panic(message) => {
            JobFailure::new(ParkReason::Exhausted, format!("panicked: {message}"))
        }
    }
}

/// The failure of a listener, or of what is as good as one.
fn failed(message: String, error: BoxError) -> JobFailure {
    JobFailure::new(reason_of(Permanent::is_in(&error)), message).with_error(error)
}

/// For what a job is parked that fails for good.
fn reason_of(is_permanent: bool) -> ParkReason {
    if is_permanent {
        ParkReason::Permanent
    } else {
        ParkReason::Exhausted
    }
}

fn unreadable(error: DecodeError) -> JobFailure {
    let message = text_of(&error);
    match error {
        DecodeError::MissingModel { .. } => JobFailure::new(ParkReason::MissingModel, message),
        DecodeError::NoLoader(_) => JobFailure::new(ParkReason::Unwired, message),
        DecodeError::Load { error, .. } => failed(message, error),
        DecodeError::UnknownEvent(_) => JobFailure::new(ParkReason::UnknownEvent, message),
        DecodeError::UnknownVersion { .. } => JobFailure::new(ParkReason::UnknownVersion, message),
        DecodeError::Upcast { error, .. } => {
            JobFailure::new(ParkReason::Undecodable, message).with_error(error)
        }
        DecodeError::Deserialize(_) | DecodeError::WrongModel { .. } => {
            JobFailure::new(ParkReason::Undecodable, message)
        }
    }
}
