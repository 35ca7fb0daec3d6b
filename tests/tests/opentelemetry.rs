//! Traces in OpenTelemetry: what an exporter gets of a dispatch and of the attempts of its job.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use events_core::{Attempt, Event, Events, ManualClock, MemoryQueue, listener};
use events_std::OpenTelemetry;
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    TracerProvider,
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[listener(OrderPaid, name = "inline")]
fn inline(event: &OrderPaid) {
    assert_eq!(event.order, 7);
}

#[listener(OrderPaid, name = "receipt", queue = "mail", tries = 2, backoff = "1s")]
async fn receipt(event: &OrderPaid, attempt: Attempt) -> Result<(), std::io::Error> {
    if attempt.number == 1 {
        return Err(std::io::Error::other(format!("order {}", event.order)));
    }
    Ok(())
}

/// A trace of another program, with what its tracer has to say of it.
fn elsewhere() -> Context {
    let (trace, span) = (TraceId::from(7), SpanId::from(8));
    let state = STATE.parse::<TraceState>().unwrap();
    let remote = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, state);
    Context::new().with_remote_span_context(remote)
}

const STATE: &str = "vendor=t61rcWkgMzE,other=00f067";

fn named<'s>(spans: &'s [SpanData], name: &str) -> Vec<&'s SpanData> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[test]
fn every_attempt_belongs_to_the_trace_of_its_dispatch_and_links_to_it() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let queue = MemoryQueue::new();
    let clock = Arc::new(ManualClock::new(Utc::now()));
    tracing::subscriber::with_default(subscriber, || {
        let events = Events::builder()
            .queue(queue.clone())
            .trace_context(OpenTelemetry)
            .clock(clock.clone())
            .build()
            .unwrap();
        let from = tracing::info_span!("from elsewhere");
        from.set_parent(elsewhere()).unwrap();
        from.in_scope(|| events.dispatch_sync(&OrderPaid { order: 7 }))
            .unwrap();
        assert_eq!(pollster::block_on(queue.drain(&events)).retried, 1);
        clock.advance(TimeDelta::seconds(2));
        assert_eq!(pollster::block_on(queue.drain(&events)).done, 1);
    });
    provider.force_flush().unwrap();
    let spans = exporter.get_finished_spans().unwrap();

    let dispatches = named(&spans, "dispatch order.paid");
    let dispatch = dispatches[0];
    assert_eq!(dispatches.len(), 1);
    assert_eq!(dispatch.span_kind, SpanKind::Producer);
    let inline = named(&spans, "inline")[0];
    assert_eq!(inline.parent_span_id, dispatch.span_context.span_id());

    let jobs = named(&spans, "process mail");
    assert_eq!(jobs.len(), 2);
    let listeners = named(&spans, "receipt");
    for job in &jobs {
        assert_eq!(job.span_kind, SpanKind::Consumer);
        let (trace, id) = (
            dispatch.span_context.trace_id(),
            dispatch.span_context.span_id(),
        );
        assert_eq!(job.span_context.trace_id(), trace);
        assert_eq!(job.span_context.trace_state().header(), STATE);
        assert_eq!((job.parent_span_id, job.parent_span_is_remote), (id, true));
        let links: Vec<_> = job
            .links
            .iter()
            .map(|link| (link.span_context.trace_id(), link.span_context.span_id()))
            .collect();
        assert_eq!(links, [(trace, id)]);
        let within = |listener: &&&SpanData| listener.parent_span_id == job.span_context.span_id();
        assert_eq!(listeners.iter().filter(within).count(), 1);
    }
    assert!(matches!(listeners[0].status, Status::Error { .. }));
    assert!(matches!(listeners[1].status, Status::Unset));
}
