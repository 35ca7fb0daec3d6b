//! The port by which traces travel with jobs, and the form in which they do.

use tracing::Span;

/// Carries traces from a dispatch to the runs of its jobs: `tracing` itself knows no ids that other processes
/// understand. It is given to [`EventsBuilder::trace_context`](crate::EventsBuilder::trace_context).
///
/// A trace travels as a `traceparent` (W3C Trace Context, Level 1). What is not one is not stored, and not adopted.
///
/// ```
/// use events_core::{Events, TraceContext};
/// use tracing::Span;
///
/// /// One trace for all that the process dispatches.
/// struct OfTheProcess(String);
///
/// impl TraceContext for OfTheProcess {
///     fn current(&self) -> Option<String> {
///         Some(self.0.clone())
///     }
///
///     fn adopt(&self, span: &Span, traceparent: &str) {
///         span.in_scope(|| tracing::info!(traceparent, "dispatched in this trace"));
///     }
/// }
///
/// let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned();
/// let events = Events::builder().trace_context(OfTheProcess(trace)).build();
/// ```
pub trait TraceContext: Send + Sync + 'static {
    /// The `traceparent` of the span that is entered, if it belongs to a trace: asked for when a dispatch makes jobs.
    fn current(&self) -> Option<String>;

    /// Ties the span of an attempt, which is new and not entered yet, to the dispatch that made its job. Called for each
    /// attempt.
    fn adopt(&self, span: &Span, traceparent: &str);
}

/// Whether a text is a `traceparent`: a version, a trace id, a parent id and flags, in lower-case hexadecimal. Later
/// versions than 00 may have more behind them.
pub(super) fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, digits: usize| {
        part.len() == digits
            && part
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let id = |part: &str, digits| hex(part, digits) && part.bytes().any(|byte| byte != b'0');
    let mut parts = text.splitn(5, '-');
    let mut next = || parts.next().unwrap_or_default();
    let (version, trace, parent, flags) = (next(), next(), next(), next());
    let well_formed = hex(version, 2) && id(trace, 32) && id(parent, 16) && hex(flags, 2);
    // A row of the queue holds it: no more than one needs.
    well_formed && version != "ff" && text.len() <= 512 && (version != "00" || text.len() == 55)
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn a_traceparent_is_told_from_what_is_none() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = [
            format!("00-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-00f067aa0ba902b7-00"),
            format!("cc-{trace}-00f067aa0ba902b7-01-what-the-future-will-be-like"),
        ];
        for text in good {
            assert!(is_traceparent(&text), "{text}");
        }
        let bad = [
            String::new(),
            "00".to_owned(),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("00-{trace}-00f067aa0ba902b7-01-"),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{trace}-00f067aa0ba902b-001"),
            format!("00-{trace}-00f067aa0ba902bé-01"),
            format!("cc-{trace}-00f067aa0ba902b7-01-{}", "x".repeat(512)),
            format!(" 00-{trace}-00f067aa0ba902b7-01"),
        ];
        for text in bad {
            assert!(!is_traceparent(&text), "{text}");
        }
    }
}
