//! The port by which traces travel with jobs, and the form in which they do.

use tracing::Span;

/// Carries traces from a dispatch to the runs of its jobs: `tracing` itself knows no ids that other processes
/// understand. It is given to [`EventsBuilder::trace_context`](crate::EventsBuilder::trace_context).
///
/// A trace travels as a `traceparent` (W3C Trace Context, Level 1), with a space and the `tracestate` behind it where there
/// is one. What is not a `traceparent` is not stored, and not adopted; a `tracestate` that cannot be one, as it is longer
/// than 512 characters or not of printable ASCII, is left out.
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
///     fn adopt(&self, span: &Span, trace: &str) {
///         span.in_scope(|| tracing::info!(trace, "dispatched in this trace"));
///     }
/// }
///
/// let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned();
/// let events = Events::builder().trace_context(OfTheProcess(trace)).build();
/// ```
pub trait TraceContext: Send + Sync + 'static {
    /// The trace of the span that is entered, if it belongs to one, as it travels: asked for when a dispatch makes jobs.
    fn current(&self) -> Option<String>;

    /// Ties the span of an attempt, which is new and not entered yet, to the dispatch that made its job, whose trace this
    /// is, as it travels. Called for each attempt.
    fn adopt(&self, span: &Span, trace: &str);
}

/// What of a text travels: a `traceparent`, and the `tracestate` behind it if that can be one. None: it is no trace.
pub(super) fn valid(trace: &str) -> Option<&str> {
    let (parent, state) = trace.split_once(' ').unwrap_or((trace, ""));
    let printable = |byte: u8| (b' '..=b'~').contains(&byte);
    let states = !state.is_empty() && state.len() <= 512 && state.bytes().all(printable);
    is_traceparent(parent).then_some(if states { trace } else { parent })
}

/// The `traceparent` of what travels.
pub(super) fn parent(trace: &str) -> &str {
    trace.split_once(' ').map_or(trace, |(parent, _)| parent)
}

/// Whether a text is a `traceparent`: a version, a trace id, a parent id and flags, in lower-case hexadecimal. Later
/// versions than 00 may have more behind them.
fn is_traceparent(text: &str) -> bool {
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
    use super::{is_traceparent, parent, valid};

    #[test]
    fn a_tracestate_travels_behind_it_if_it_can_be_one() {
        let only = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!((valid(only), parent(only)), (Some(only), only));
        let both = format!("{only} vendor=t61rcWkgMzE,other=00f0 67");
        assert_eq!((valid(&both), parent(&both)), (Some(&*both), only));
        let long = format!("{only} {}", "x".repeat(513));
        for state in [
            &long,
            &format!("{only} "),
            &format!("{only} a=é"),
            &format!("{only} a=\n"),
        ] {
            assert_eq!(valid(state), Some(only), "{state}");
        }
        assert_eq!(valid("vendor=1"), None);
        assert_eq!(valid(&format!("vendor=1 {only}")), None);
    }

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
