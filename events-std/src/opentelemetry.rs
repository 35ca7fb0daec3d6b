//! Traces of OpenTelemetry, as `tracing-opentelemetry` makes them of spans: how they leave with a job and come back.

use std::str::FromStr;

use events_core::TraceContext;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Carries the traces of OpenTelemetry from a dispatch to the runs of its jobs, for programs whose subscriber has the
/// layer of `tracing-opentelemetry`.
///
/// The span of every attempt links to the dispatch that made the job, and is a child of it, so that the sampler decides
/// once for both (as the semantic conventions for messaging allow). The `tracestate` travels too.
///
/// ```standalone_crate
/// use events_core::Events;
/// use events_std::OpenTelemetry;
///
/// let events = Events::builder().trace_context(OpenTelemetry).build().unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenTelemetry;

impl TraceContext for OpenTelemetry {
    fn current(&self) -> Option<String> {
        let context = Span::current().context();
        let span = context.span();
        let span = span.span_context();
        let (trace, id) = (span.trace_id(), span.span_id());
        let flags = span.trace_flags().to_u8();
        let state = span.trace_state().header();
        let separator = if state.is_empty() { "" } else { " " };
        span.is_valid()
            .then(|| format!("00-{trace}-{id}-{flags:02x}{separator}{state}"))
    }

    fn adopt(&self, span: &Span, trace: &str) {
        let Some(dispatch) = read(trace) else {
            return;
        };
        let parent = Context::new().with_remote_span_context(dispatch.clone());
        if let Err(error) = span.set_parent(parent) {
            tracing::debug!(%error, "the span of a job is in no trace");
        }
        span.add_link(dispatch);
    }
}

/// Reads a trace whose `traceparent` the kernel has found well-formed. A `tracestate` that is none is left out.
fn read(trace: &str) -> Option<SpanContext> {
    let (traceparent, state) = trace.split_once(' ').unwrap_or((trace, ""));
    let state = TraceState::from_str(state).unwrap_or(TraceState::NONE);
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    let flags = TraceFlags::new(flags);
    Some(SpanContext::new(trace, span, flags, true, state))
}
