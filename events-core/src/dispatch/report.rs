//! What a dispatch has gathered where it was more than "all fine".

use std::any::Any;

use super::error::{Failure, FailureCause, ListenerInfo, NotRun, Refusal};
use super::{DispatchError, Dispatched};
use crate::BoxError;
use crate::context::Context;
use crate::event::{Event, EventMeta};

/// What a dispatch has gathered, without its event's type.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) failures: Vec<Failure>,
    pub(crate) answers: Vec<Box<dyn Any + Send>>,
    pub(crate) stopped_by: Option<ListenerInfo>,
    pub(crate) jobs: usize,
    pub(crate) deferred: bool,
    pub(crate) refusal: Option<(&'static EventMeta, Refusal)>,
}

impl Report {
    /// Nothing ran.
    pub(crate) fn refused(event: &'static EventMeta, refusal: Refusal) -> Self {
        Self {
            refusal: Some((event, refusal)),
            ..Self::default()
        }
    }

    pub(crate) fn failed(&mut self, cx: &Context<'_>, index: usize, error: BoxError) {
        self.fail(cx, index, FailureCause::Error(error));
    }

    pub(crate) fn panicked(&mut self, cx: &Context<'_>, index: usize, message: String) {
        self.fail(cx, index, FailureCause::Panic(message));
    }

    fn fail(&mut self, cx: &Context<'_>, index: usize, cause: FailureCause) {
        self.failures.push(Failure::new(
            cx.event().any_meta(),
            listener(cx, index),
            cause,
        ));
    }

    pub(crate) fn stopped(&mut self, cx: &Context<'_>, index: usize) {
        self.stopped_by = Some(listener(cx, index));
    }

    /// Keeps an answer; `stops` if it is the last one wanted.
    pub(crate) fn answered(
        &mut self,
        cx: &Context<'_>,
        index: usize,
        answer: Box<dyn Any + Send>,
        stops: bool,
    ) {
        self.answers.push(answer);
        if stops {
            self.stopped(cx, index);
        }
    }

    /// Tells the error hook of a dispatch that was dropped while listener `running` ran.
    pub(crate) fn cancelled(report: Option<Box<Self>>, cx: &Context<'_>, running: usize) {
        let listeners = cx.table().inline()[running..]
            .iter()
            .map(|entry| ListenerInfo(entry.record().clone()))
            .collect();
        let failures = report.map(|report| report.failures).unwrap_or_default();
        cx.dispatcher().tell_not_run(&NotRun {
            event: cx.event().name(),
            listeners,
            failures,
        });
    }

    /// As the result of a dispatch whose answers nobody reads.
    pub(crate) fn into_untyped(report: Option<Box<Self>>) -> Result<Dispatched, DispatchError> {
        match report {
            None => Ok(Dispatched::quiet()),
            Some(report) => into_result(*report),
        }
    }

    /// As the result of a dispatch of an `E`.
    #[inline]
    pub(crate) fn into_result<E: Event>(
        report: Option<Box<Self>>,
    ) -> Result<Dispatched<E::Response>, DispatchError<E::Response>> {
        match report {
            None => Ok(Dispatched::quiet()),
            Some(report) => into_result(*report),
        }
    }
}

#[cold]
fn into_result<T: Send + 'static>(mut report: Report) -> Result<Dispatched<T>, DispatchError<T>> {
    let answers = std::mem::take(&mut report.answers)
        .into_iter()
        .filter_map(|answer| answer.downcast().ok())
        .map(|answer| *answer)
        .collect();
    let failures = std::mem::take(&mut report.failures);
    let refusal = report.refusal.take();
    let dispatched = Dispatched::loud(answers, report.stopped_by, report.jobs, report.deferred);
    if failures.is_empty() && refusal.is_none() {
        Ok(dispatched)
    } else {
        Err(DispatchError::new(failures, refusal, dispatched))
    }
}

fn listener(cx: &Context<'_>, index: usize) -> ListenerInfo {
    ListenerInfo(cx.table().entry(index).record().clone())
}
