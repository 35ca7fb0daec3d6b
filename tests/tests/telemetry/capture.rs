//! A subscriber that keeps every span and event, with all fields.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// One span.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    number: usize,
    parent: Option<usize>,
    pub(crate) name: String,
    pub(crate) fields: Fields,
    /// The events in it, level first.
    pub(crate) events: Vec<(String, Fields)>,
    /// How often it was entered.
    pub(crate) entered: usize,
    pub(crate) closed: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

static SPANS: Mutex<Vec<Seen>> = Mutex::new(Vec::new());
/// Every event, in a span or not.
static EVENTS: Mutex<Vec<(String, Fields)>> = Mutex::new(Vec::new());

struct Capture;

/// The number of a span in `SPANS`.
struct Number(usize);

fn change<S: Subscriber + for<'s> LookupSpan<'s>>(
    id: &Id,
    cx: &Context<'_, S>,
    change: impl FnOnce(&mut Seen),
) {
    let span = cx.span(id).expect("the span is open");
    let number = span.extensions().get::<Number>().expect("its number").0;
    change(&mut SPANS.lock().unwrap()[number]);
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let span = cx.span(id).expect("the span is open");
        let parent = span
            .parent()
            .map(|parent| parent.extensions().get::<Number>().expect("its number").0);
        let mut spans = SPANS.lock().unwrap();
        let number = spans.len();
        let mut seen = Seen {
            number,
            parent,
            name: attributes.metadata().name().to_owned(),
            ..Seen::default()
        };
        attributes.record(&mut seen.fields);
        spans.push(seen);
        span.extensions_mut().insert(Number(number));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: Context<'_, S>) {
        change(id, &cx, |seen| values.record(&mut seen.fields));
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let noted = (event.metadata().level().to_string(), fields);
        EVENTS.lock().unwrap().push(noted.clone());
        if let Some(span) = cx.event_span(event) {
            change(&span.id(), &cx, |seen| seen.events.push(noted));
        }
    }

    fn on_enter(&self, id: &Id, cx: Context<'_, S>) {
        change(id, &cx, |seen| seen.entered += 1);
    }

    fn on_close(&self, id: Id, cx: Context<'_, S>) {
        change(&id, &cx, |seen| seen.closed = true);
    }
}

/// From now on, everything is kept: each test begins with it.
pub(crate) fn all() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Capture);
        tracing::subscriber::set_global_default(subscriber).expect("the only one");
    });
}

/// The spans of this name whose field `event` is this.
pub(crate) fn of_event(name: &str, event: &str) -> Vec<Seen> {
    let spans = SPANS.lock().unwrap();
    let of_event = spans
        .iter()
        .filter(|seen| seen.name == name && seen.fields.get("event") == event);
    of_event.cloned().collect()
}

/// The spans directly in this one.
pub(crate) fn children(of: &Seen) -> Vec<Seen> {
    let spans = SPANS.lock().unwrap();
    let children = spans.iter().filter(|seen| seen.parent == Some(of.number));
    children.cloned().collect()
}

/// Everything that was seen, as text.
pub(crate) fn everything() -> String {
    format!("{:?} {:?}", SPANS.lock().unwrap(), EVENTS.lock().unwrap())
}

impl Seen {
    /// The messages of the events in it, and what they say of errors.
    pub(crate) fn told(&self) -> Vec<String> {
        let line = |(level, fields): &(String, Fields)| {
            let line = format!("{level} {} {}", fields.get("message"), fields.get("error"));
            line.trim_end().to_owned()
        };
        self.events.iter().map(line).collect()
    }
}
