//! Calls in spans: what a table's calls are where a subscriber may want to know of each listener.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use tracing::Span;

use super::outcome::Outcome;
use crate::context::Context;
use crate::listener::Kind;
use crate::telemetry;

/// Runs one listener in a span of its own. That of an async listener which has not ended is kept with the context.
///
/// # Safety
///
/// As for [`Call`](super::Call).
pub(crate) unsafe fn call_in_span(event: NonNull<()>, cx: &Context<'_>) -> Outcome {
    let record = cx.running().record();
    let span = telemetry::listener_span(cx.dispatcher(), record);
    // SAFETY: by the caller; the entry on which the context stands is that of this very record.
    let call = || unsafe { (record.call)(event, cx) };
    if span.is_disabled() {
        return call();
    }
    within(cx, span, call)
}

/// Goes on with the listener whose future waits.
pub(super) fn resume_in_span(cx: &Context<'_>, resume: impl FnOnce() -> Outcome) -> Outcome {
    match cx.take_span() {
        Some(span) => within(cx, span, resume),
        None => resume(),
    }
}

/// Drops what is left of a listener that has not ended, in its span.
pub(super) fn drop_in_span(cx: &Context<'_>, clear: impl FnOnce()) {
    match cx.take_span() {
        Some(span) => span.in_scope(clear),
        None => clear(),
    }
}

fn within(cx: &Context<'_>, span: Span, call: impl FnOnce() -> Outcome) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| span.in_scope(call))) {
        Ok(outcome) => {
            if outcome.is_pending() {
                cx.keep_span(span);
            } else if let Some(error) = outcome.error() {
                telemetry::failed(&span, error);
            }
            outcome
        }
        Err(payload) => {
            telemetry::panicked(&span, &*payload);
            if cx.running().record().kind == Kind::Async {
                // What is left of its future is still to be dropped.
                cx.keep_span(span);
            }
            resume_unwind(payload)
        }
    }
}
