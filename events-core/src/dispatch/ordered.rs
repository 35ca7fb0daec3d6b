//! The order of a dispatch that has more to do than to call its inline listeners: scopes, fakes, conditions,
//! commits and queued listeners. `Events` takes the short way past it where a table has none of these.

use std::future::Future;
use std::sync::Arc;

use super::error::{Failure, FailureCause, ListenerInfo, NotRun, Refusal};
use super::{ErrorPolicy, Report};
use crate::commit::{AfterCommit, Waiting};
use crate::context::{Context, Terms};
use crate::delivery::{Attempt, Delivery};
use crate::durable::EncodeError;
use crate::erased::{Run, holds_for, run_sync_in};
use crate::event::{AnyEvent, EventMeta};
use crate::events::Events;
use crate::extensions::Extensions;
use crate::future::{BoxFuture, caught};
use crate::listener::Kind;
use crate::queue::{Job, PushError};
use crate::scope::{self, Intercepted};
use crate::table::{Entry, Table, flags};

/// What is to be done, once everything that can refuse has not.
struct Plan {
    table: Arc<Table>,
    /// Failures of conditions.
    failures: Vec<Failure>,
    jobs: Vec<Job>,
    /// The listeners whose jobs these are.
    queued: Vec<Entry>,
    delivery: Option<Delivery>,
    /// The inline listeners that wait for a commit.
    waiting: Option<Waiting>,
}

/// A push that has not ended: if it is dropped, nobody knows whether the jobs are kept, and nothing else ran.
struct Pushing<'a> {
    events: &'a Events,
    event: &'a dyn AnyEvent,
    listeners: Vec<Entry>,
}

impl<'a> Pushing<'a> {
    fn new(events: &'a Events, event: &'a dyn AnyEvent, plan: &Plan) -> Self {
        let mut listeners = plan.queued.clone();
        listeners.extend_from_slice(plan.table.inline());
        listeners.extend(
            plan.waiting
                .iter()
                .flat_map(|waiting| &waiting.listeners)
                .cloned(),
        );
        Self {
            events,
            event,
            listeners,
        }
    }

    fn ended(mut self) {
        self.listeners.clear();
    }
}

impl Drop for Pushing<'_> {
    fn drop(&mut self) {
        if !self.listeners.is_empty() {
            let not_run = NotRun::of(self.event, &self.listeners);
            self.events.tell_not_run(&not_run);
        }
    }
}

/// How a dispatch goes about its work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
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

/// Dispatches in full order, with a runtime.
pub(crate) fn dispatch_ordered<'a>(
    events: &'a Events,
    event: &'a dyn AnyEvent,
    until_answer: bool,
) -> BoxFuture<'a, Option<Box<Report>>> {
    Box::pin(async move {
        let plan = match plan(events, event, Mode::Async) {
            Ok(plan) => plan,
            Err(ended) => return ended,
        };
        let jobs = plan.jobs.len();
        if jobs > 0 {
            let pushing = Pushing::new(events, event, &plan);
            let pushed = match events.queue() {
                Some(queue) => queue.push(plan.jobs).await,
                None => Err(PushError::NoQueue),
            };
            pushing.ended();
            if let Err(error) = pushed {
                return not_pushed(event, error);
            }
        }
        let cx = Context::new(events, event, &plan.table)
            .of_delivery(plan.delivery)
            .on_terms(until_answer.then_some(Terms::UNTIL_ANSWER));
        let deferred = wait(events, plan.waiting);
        let report = Run::new(cx).await;
        complete(report, plan.failures, jobs, deferred)
    })
}

/// The end of a dispatch whose jobs were not pushed: nothing runs.
fn not_pushed(event: &dyn AnyEvent, error: PushError) -> Option<Box<Report>> {
    Some(Box::new(Report::refused(
        event.any_meta(),
        Refusal::Push(error),
    )))
}

/// Lets inline listeners wait for the commit of the task's transaction; whether there are any.
fn wait(events: &Events, waiting: Option<Waiting>) -> bool {
    let any = waiting.is_some();
    if let Some(waiting) = waiting {
        scope::wait_for_commit(events, waiting);
    }
    any
}

/// Dispatches into a transaction: `push` writes the jobs with its rows, listeners that ask for it run in it at once,
/// all other inline listeners wait for its commit.
pub(crate) async fn dispatch_in_transaction<P>(
    transaction: &AfterCommit,
    event: &dyn AnyEvent,
    extensions: &Extensions,
    push: impl FnOnce(Vec<Job>) -> P,
) -> Option<Box<Report>>
where
    P: Future<Output = Result<(), PushError>>,
{
    let events = transaction.events();
    let plan = match plan(events, event, Mode::Transaction) {
        Ok(plan) => plan,
        Err(ended) => return ended,
    };
    let jobs = plan.jobs.len();
    if jobs > 0
        && let Err(error) = push(plan.jobs).await
    {
        return not_pushed(event, error);
    }
    let deferred = plan.waiting.is_some();
    if let Some(waiting) = plan.waiting {
        transaction.wait(waiting);
    }
    let terms = Terms {
        attempt: Attempt::INLINE,
        extensions: Some(extensions),
        until_answer: false,
    };
    let cx = Context::new(events, event, &plan.table)
        .of_delivery(plan.delivery)
        .on_terms(Some(&terms));
    let report = Run::new(cx).await;
    complete(report, plan.failures, jobs, deferred)
}

/// Dispatches to queued listeners alone: `push` writes their jobs.
pub(crate) async fn dispatch_jobs<P>(
    events: &Events,
    event: &dyn AnyEvent,
    push: impl FnOnce(Vec<Job>) -> P,
) -> Option<Box<Report>>
where
    P: Future<Output = Result<(), PushError>>,
{
    let plan = match plan(events, event, Mode::JobsOnly) {
        Ok(plan) => plan,
        Err(ended) => return ended,
    };
    let jobs = plan.jobs.len();
    if jobs > 0
        && let Err(error) = push(plan.jobs).await
    {
        return not_pushed(event, error);
    }
    complete(None, plan.failures, jobs, false)
}

/// Dispatches in full order, without a runtime.
pub(crate) fn dispatch_ordered_sync(
    events: &Events,
    event: &dyn AnyEvent,
    until_answer: bool,
) -> Option<Box<Report>> {
    let plan = match plan(events, event, Mode::Sync) {
        Ok(plan) => plan,
        Err(ended) => return ended,
    };
    let jobs = plan.jobs.len();
    if jobs > 0 {
        let pushed = match events.queue() {
            Some(queue) => queue.push_sync(plan.jobs),
            None => Err(PushError::NoQueue),
        };
        if let Err(error) = pushed {
            return not_pushed(event, error);
        }
    }
    let deferred = wait(events, plan.waiting);
    // `plan` has refused a table with an async listener.
    let report = match plan.table.if_sync() {
        Some(table) => {
            let cx = Context::new(events, event, &plan.table)
                .of_delivery(plan.delivery)
                .on_terms(until_answer.then_some(Terms::UNTIL_ANSWER));
            run_sync_in(&cx, table)
        }
        None => None,
    };
    complete(report, plan.failures, jobs, deferred)
}

/// Runs one queued listener of an event that came back from its job.
pub(crate) async fn dispatch_job(
    events: &Events,
    event: &dyn AnyEvent,
    entry: Entry,
    delivery: Delivery,
    terms: &Terms<'_>,
) -> Option<Failure> {
    let table = Table::of(vec![entry], Vec::new(), Vec::new(), 0);
    let cx = Context::new(events, event, &table)
        .of_delivery(Some(delivery))
        .on_terms(Some(terms));
    let report = Run::new(cx).await?;
    report.failures.into_iter().next()
}

/// Runs the inline listeners of an event that came back from a job.
pub(crate) async fn run_inline(
    events: &Events,
    event: &dyn AnyEvent,
    delivery: Delivery,
    attempt: Attempt,
    extensions: &Extensions,
) -> Option<Box<Report>> {
    let meta = event.any_meta();
    let table = events.inner().merged(meta);
    if !table.faults().is_empty() {
        let refusal = Refusal::Unwired(table.faults().to_vec());
        return Some(Box::new(Report::refused(meta, refusal)));
    }
    let terms = Terms {
        attempt,
        extensions: Some(extensions),
        until_answer: false,
    };
    let mut failures = Vec::new();
    let table = if table.flags() & (flags::CONDITION | flags::QUEUED) == 0 {
        table
    } else {
        let cx = Context::new(events, event, &table);
        let willing = willing(&cx, table.inline(), &mut failures, events.policy());
        Arc::new(Table::of(willing, Vec::new(), Vec::new(), 0))
    };
    let cx = Context::new(events, event, &table)
        .of_delivery(Some(delivery))
        .on_terms(Some(&terms));
    let report = Run::new(cx).await;
    complete(report, failures, 0, false)
}

/// Runs the listeners that waited for a commit. Failures go to the error hook: nobody waits for them.
pub(crate) async fn run_waiting(waiting: Waiting) {
    let Waiting {
        by,
        event,
        listeners,
        delivery,
    } = waiting;
    let table = Table::of(listeners, Vec::new(), Vec::new(), 0);
    let cx = Context::new(&by, &*event, &table).of_delivery(Some(delivery));
    if let Some(report) = Run::new(cx).await {
        by.tell_failures(&report.failures);
    }
}

fn complete(
    report: Option<Box<Report>>,
    failures: Vec<Failure>,
    jobs: usize,
    deferred: bool,
) -> Option<Box<Report>> {
    if failures.is_empty() && jobs == 0 && !deferred {
        return report;
    }
    let mut report = report.unwrap_or_default();
    report.jobs = jobs;
    report.deferred = deferred;
    let later = std::mem::replace(&mut report.failures, failures);
    report.failures.extend(later);
    Some(report)
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

/// Decides what is to be done. `Err` is the end of the dispatch: silenced, recorded, put off, or refused.
fn plan(events: &Events, event: &dyn AnyEvent, mode: Mode) -> Result<Plan, Option<Box<Report>>> {
    let meta = event.any_meta();
    let refused = |refusal| Err(Some(Box::new(Report::refused(meta, refusal))));
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
        Intercepted::Refused(refusal) => return refused(refusal),
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
    if let Some(refusal) = hindrance(&table, mode, announced) {
        return refused(refusal);
    }
    if mode != Mode::Transaction
        && table.flags() & !(flags::ASYNC | flags::EMPTY | flags::FAKE) == 0
    {
        // Only a scope made it come here.
        return Ok(Plan {
            table,
            failures: Vec::new(),
            jobs: Vec::new(),
            queued: Vec::new(),
            delivery: None,
            waiting: None,
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
        return refused(Refusal::TransactionOpen);
    }
    let delivery = (!waiting.is_empty() || !queued.is_empty() || announced).then(|| cx.delivery());
    let jobs = match delivery {
        Some(delivery) => match jobs_for(event, &queued, announced, delivery) {
            Ok(jobs) => jobs,
            Err(refusal) => return refused(refusal),
        },
        None => Vec::new(),
    };
    // Cloned before anything is pushed: what cannot be kept is refused whole.
    let waiting = match delivery {
        Some(delivery) if !waiting.is_empty() => {
            match Waiting::new(events, event, waiting, delivery) {
                Ok(waiting) => Some(waiting),
                Err(refusal) => return refused(refusal),
            }
        }
        _ => None,
    };
    Ok(Plan {
        table: Arc::new(Table::of(inline, Vec::new(), Vec::new(), 0)),
        failures,
        jobs,
        queued,
        delivery,
        waiting,
    })
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
    let mut jobs = Vec::with_capacity(queued.len() + usize::from(announced));
    if announced {
        jobs.push(Job::announcement(event, &payload, delivery));
    }
    for entry in queued {
        // The keys are made by the user's functions.
        let job = caught(|| Job::for_listener(event, entry.record(), &payload, delivery));
        let panicked =
            |message| Refusal::KeyPanicked(ListenerInfo(entry.record().clone()), message);
        jobs.extend(job.map_err(panicked)?);
    }
    Ok(jobs)
}
