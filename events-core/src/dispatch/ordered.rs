//! The order of a dispatch that has more to do than to call its inline listeners: scopes, fakes, conditions,
//! commits, queued listeners and spans. `Events` takes the short way past it where there are none of these.

use std::future::Future;

use tracing::{Instrument, Span};

use super::Report;
use super::error::{Failure, NotRun, Refusal};
use super::plan::{Mode, Plan, plan, willing};
use crate::commit::{AfterCommit, Waiting};
use crate::context::{Context, Terms};
use crate::delivery::{Attempt, Delivery};
use crate::erased::{Run, run_sync_in};
use crate::event::AnyEvent;
use crate::events::Events;
use crate::extensions::Extensions;
use crate::future::BoxFuture;
use crate::queue::{Job, PushError};
use crate::scope;
use crate::table::{Entry, Table};
use crate::telemetry;

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
        let span = plan.span.clone();
        carry_out(events, event, plan, until_answer)
            .instrument(span)
            .await
    })
}

async fn carry_out(
    events: &Events,
    event: &dyn AnyEvent,
    plan: Plan,
    until_answer: bool,
) -> Option<Box<Report>> {
    let jobs = plan.jobs.len();
    if jobs > 0 {
        let pushing = Pushing::new(events, event, &plan);
        let pushed = match events.queue() {
            Some(queue) => queue.push(plan.jobs).await,
            None => Err(PushError::NoQueue),
        };
        pushing.ended();
        if let Err(error) = pushed {
            return not_pushed(event, &plan.span, error);
        }
    }
    let terms = Terms::inline(until_answer);
    let cx = Context::new(events, event, &plan.table)
        .of_delivery(plan.delivery)
        .on_terms(&terms);
    let deferred = wait(events, plan.waiting);
    let report = Run::new(cx).await;
    complete(report, plan.failures, jobs, deferred)
}

/// The end of a dispatch whose jobs were not pushed: nothing runs.
fn not_pushed(event: &dyn AnyEvent, span: &Span, error: PushError) -> Option<Box<Report>> {
    let refusal = Refusal::Push(error);
    telemetry::refused(span, &refusal);
    Some(Box::new(Report::refused(event.any_meta(), refusal)))
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
    let span = plan.span.clone();
    let carried_out = async {
        let jobs = plan.jobs.len();
        if jobs > 0
            && let Err(error) = push(plan.jobs).await
        {
            return not_pushed(event, &plan.span, error);
        }
        let deferred = plan.waiting.is_some();
        if let Some(waiting) = plan.waiting {
            transaction.wait(waiting);
        }
        let terms = Terms {
            extensions: Some(extensions),
            ..Terms::inline(false)
        };
        let cx = Context::new(events, event, &plan.table)
            .of_delivery(plan.delivery)
            .on_terms(&terms);
        let report = Run::new(cx).await;
        complete(report, plan.failures, jobs, deferred)
    };
    carried_out.instrument(span).await
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
        && let Err(error) = push(plan.jobs).instrument(plan.span.clone()).await
    {
        return not_pushed(event, &plan.span, error);
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
    let _entered = plan.span.clone().entered();
    let jobs = plan.jobs.len();
    if jobs > 0 {
        let pushed = match events.queue() {
            Some(queue) => queue.push_sync(plan.jobs),
            None => Err(PushError::NoQueue),
        };
        if let Err(error) = pushed {
            return not_pushed(event, &plan.span, error);
        }
    }
    let deferred = wait(events, plan.waiting);
    // `plan` has refused a table with an async listener.
    let report = match plan.table.if_sync() {
        Some(table) => {
            let terms = Terms::inline(until_answer);
            let cx = Context::new(events, event, &plan.table)
                .of_delivery(plan.delivery)
                .on_terms(&terms);
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
    let table = Table::in_spans(vec![entry]);
    let cx = Context::new(events, event, &table)
        .of_delivery(Some(delivery))
        .on_terms(terms);
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
        ..Terms::inline(false)
    };
    let mut failures = Vec::new();
    let table = {
        let cx = Context::new(events, event, &table);
        Table::in_spans(willing(&cx, table.inline(), &mut failures, events.policy()))
    };
    let cx = Context::new(events, event, &table)
        .of_delivery(Some(delivery))
        .on_terms(&terms);
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
        span,
    } = waiting;
    let table = Table::in_spans(listeners);
    let terms = Terms::inline(false);
    let cx = Context::new(&by, &*event, &table)
        .of_delivery(Some(delivery))
        .on_terms(&terms);
    if let Some(report) = Run::new(cx).instrument(span).await {
        by.tell_failures(&report.failures);
    }
}

pub(super) fn complete(
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
