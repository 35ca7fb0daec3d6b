//! What a dispatch that takes the ordered way has to do: decided whole, before anything of it is done.

use std::sync::Arc;

use tracing::Span;

use super::error::{Failure, FailureCause, ListenerInfo, Refusal};
use super::ordered::complete;
use super::{ErrorPolicy, Report};
use crate::commit::Waiting;
use crate::context::Context;
use crate::delivery::Delivery;
use crate::durable::EncodeError;
use crate::erased::holds_for;
use crate::event::{AnyEvent, EventMeta};
use crate::events::Events;
use crate::future::caught;
use crate::listener::Kind;
use crate::queue::Job;
use crate::scope::{self, Intercepted};
use crate::table::{Entry, Table, flags};
use crate::telemetry;

/// What is to be done, once everything that can refuse has not.
pub(super) struct Plan {
    pub(super) table: Arc<Table>,
    /// Failures of conditions.
    pub(super) failures: Vec<Failure>,
    pub(super) jobs: Vec<Job>,
    /// The listeners whose jobs these are.
    pub(super) queued: Vec<Entry>,
    pub(super) delivery: Option<Delivery>,
    /// The inline listeners that wait for a commit.
    pub(super) waiting: Option<Waiting>,
    /// The span of the dispatch, in which all of this is to be done.
    pub(super) span: Span,
}

/// How a dispatch goes about its work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// With a runtime.
    Async,
    /// Without one.
    Sync,
    /// Into a transaction, with a runtime.
    Transaction,
    /// Into a transaction whose commit the dispatcher does not see.
    JobsOnly,
}

impl Mode {
    /// Whether the jobs are written with the rows of a transaction that whoever dispatches holds.
    fn holds_transaction(self) -> bool {
        matches!(self, Self::Transaction | Self::JobsOnly)
    }
}

/// Decides what is to be done. `Err` is the end of the dispatch: silenced, recorded, put off, or refused.
pub(super) fn plan(
    events: &Events,
    event: &dyn AnyEvent,
    mode: Mode,
) -> Result<Plan, Option<Box<Report>>> {
    let meta = event.any_meta();
    let refused = |refusal| Some(Box::new(Report::refused(meta, refusal)));
    // What is written with a transaction's rows cannot be put off until after its commit.
    let intercepted = if mode.holds_transaction() {
        scope::intercept_jobs(events)
    } else {
        scope::intercept(events, event)
    };
    match intercepted {
        Intercepted::No => {}
        Intercepted::Muted => return Err(None),
        Intercepted::Deferred => return Err(complete(None, Vec::new(), 0, true)),
        Intercepted::Refused(refusal) => return Err(refused(refusal)),
    }
    let table = events.inner().merged(meta);
    if events
        .inner()
        .fakes()
        .is_some_and(|fakes| fakes.record(events, event, &table))
    {
        return Err(None);
    }
    let announced = meta.announced && mode.holds_transaction();
    let span = telemetry::dispatch_span(events, meta, &table, announced);
    span.in_scope(|| decide(events, event, mode, table, announced, &span))
        .map_err(|refusal| {
            telemetry::refused(&span, &refusal);
            refused(refusal)
        })
}

/// Decides what is to be done of a dispatch that takes place.
fn decide(
    events: &Events,
    event: &dyn AnyEvent,
    mode: Mode,
    table: Arc<Table>,
    announced: bool,
    span: &Span,
) -> Result<Plan, Refusal> {
    let meta = event.any_meta();
    if let Some(refusal) = hindrance(&table, mode, announced) {
        return Err(refusal);
    }
    if mode != Mode::Transaction
        && table.flags() & !(flags::ASYNC | flags::EMPTY | flags::FAKE) == 0
    {
        // Only a scope or a subscriber made it come here.
        let delivery = (!span.is_disabled()).then(|| events.new_delivery());
        telemetry::identify(span, delivery, 0);
        return Ok(Plan {
            table: if span.is_disabled() {
                table
            } else {
                Arc::new(Table::in_spans(table.inline().to_vec()))
            },
            failures: Vec::new(),
            jobs: Vec::new(),
            queued: Vec::new(),
            delivery,
            waiting: None,
            span: span.clone(),
        });
    }
    let mut failures = Vec::new();
    let cx = Context::new(events, event, &table);
    let queued = willing(&cx, table.queued(), &mut failures, ErrorPolicy::RunAll);
    // Jobs are pushed first, so a failure there comes before every inline listener.
    let inline = if announced {
        // They run in the announcement, and so do their conditions.
        Vec::new()
    } else if failures.is_empty() || events.policy() == ErrorPolicy::RunAll {
        willing(&cx, table.inline(), &mut failures, events.policy())
    } else {
        Vec::new()
    };
    let (inline, waiting) = match mode {
        Mode::Transaction => inline.into_iter().partition(Entry::wants_extension),
        Mode::Async | Mode::Sync | Mode::JobsOnly => split_for_commit(events, meta, inline),
    };
    if !mode.holds_transaction()
        && (!queued.is_empty() || meta.announced)
        && scope::transaction_is_open(events)
    {
        return Err(Refusal::TransactionOpen);
    }
    let needed = !waiting.is_empty() || !queued.is_empty() || announced || !span.is_disabled();
    let delivery = needed.then(|| cx.delivery());
    telemetry::identify(span, delivery, queued.len() + usize::from(announced));
    let jobs = match delivery {
        Some(delivery) => jobs_for(events, event, &queued, announced, delivery)?,
        None => Vec::new(),
    };
    // Cloned before anything is pushed: what cannot be kept is refused whole.
    let waiting = match delivery {
        Some(delivery) if !waiting.is_empty() => {
            Some(Waiting::new(events, event, waiting, delivery, span)?)
        }
        _ => None,
    };
    Ok(Plan {
        table: Arc::new(Table::in_spans(inline)),
        failures,
        jobs,
        queued,
        delivery,
        waiting,
        span: span.clone(),
    })
}

/// What of the table's listeners forbids a dispatch in this mode.
fn hindrance(table: &Table, mode: Mode, announced: bool) -> Option<Refusal> {
    let info = |entry: &Entry| ListenerInfo(entry.record().clone());
    if !table.faults().is_empty() {
        return Some(Refusal::Unwired(table.faults().to_vec()));
    }
    let inline = table.inline();
    if mode == Mode::Sync
        && let Some(entry) = inline
            .iter()
            .find(|entry| entry.record().kind == Kind::Async)
    {
        return Some(Refusal::AsyncListener(info(entry)));
    }
    if mode == Mode::JobsOnly
        && !announced
        && let Some(entry) = inline.first()
    {
        return Some(Refusal::InlineListener(info(entry)));
    }
    if mode != Mode::Transaction
        && let Some(entry) = inline.iter().find(|entry| entry.wants_extension())
    {
        return Some(Refusal::NeedsTransaction(info(entry)));
    }
    None
}

/// The listeners whose condition holds. A condition that panics is its listener's failure, after which, by the policy,
/// there may be no others.
pub(crate) fn willing(
    cx: &Context<'_>,
    entries: &[Entry],
    failures: &mut Vec<Failure>,
    policy: ErrorPolicy,
) -> Vec<Entry> {
    let mut willing = Vec::with_capacity(entries.len());
    for entry in entries {
        let holds = match entry.record().when {
            None => Ok(true),
            Some(when) => {
                // A condition on a category finds its way by the entry on which the context stands.
                let table = Table::of(vec![entry.clone()], Vec::new(), Vec::new(), 0);
                let cx = Context::new(cx.dispatcher(), cx.event(), &table);
                caught(|| holds_for(when.holds, &cx))
            }
        };
        match holds {
            Ok(true) => willing.push(entry.clone()),
            Ok(false) => {}
            Err(message) => {
                failures.push(Failure::new(
                    cx.event().any_meta(),
                    ListenerInfo(entry.record().clone()),
                    FailureCause::Panic(message),
                ));
                if policy == ErrorPolicy::FailFast {
                    break;
                }
            }
        }
    }
    willing
}

/// Parts the inline listeners into those that run now and those that wait for the task's transaction.
fn split_for_commit(
    events: &Events,
    meta: &EventMeta,
    inline: Vec<Entry>,
) -> (Vec<Entry>, Vec<Entry>) {
    if !scope::transaction_is_open(events) {
        return (inline, Vec::new());
    }
    inline
        .into_iter()
        .partition(|entry| !meta.after_commit && !entry.record().after_commit)
}

fn jobs_for(
    events: &Events,
    event: &dyn AnyEvent,
    queued: &[Entry],
    announced: bool,
    delivery: Delivery,
) -> Result<Vec<Job>, Refusal> {
    if queued.is_empty() && !announced {
        return Ok(Vec::new());
    }
    let payload: Arc<str> = caught(|| event.payload())
        .unwrap_or_else(|message| Err(EncodeError::Panicked(message)))
        .map_err(Refusal::Encode)?
        .into();
    let trace = telemetry::current_trace(events);
    let mut jobs = Vec::with_capacity(queued.len() + usize::from(announced));
    if announced {
        let trace = trace.as_deref();
        jobs.push(Job::announcement(event, &payload, delivery, trace));
    }
    for entry in queued {
        // The keys are made by the user's functions.
        let job = caught(|| {
            Job::for_listener(event, entry.record(), &payload, delivery, trace.as_deref())
        });
        let panicked =
            |message| Refusal::KeyPanicked(ListenerInfo(entry.record().clone()), message);
        jobs.extend(job.map_err(panicked)?);
    }
    Ok(jobs)
}
