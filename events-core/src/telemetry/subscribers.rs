//! Whether any subscriber wants the spans of dispatches. `tracing` tells each callsite when subscribers come; so that
//! dispatches need not ask, this one, which opens no span itself, notes the answer in every dispatcher.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, Weak};

use tracing::level_filters::STATIC_MAX_LEVEL;
use tracing::subscriber::Interest;
use tracing_core::{Callsite, Kind, Level, Metadata};

use crate::events::Inner;
use crate::sync::lock;

/// The target of all spans of the kernel, by which filters name them.
pub(super) const TARGET: &str = "events::spans";

/// Whether a subscriber wants spans.
static WANTED: AtomicBool = AtomicBool::new(false);
/// Every dispatcher that lives, and some that did.
static DISPATCHERS: Mutex<Vec<Weak<Inner>>> = Mutex::new(Vec::new());

struct Watch;

static WATCH: Watch = Watch;

/// As the span of a dispatch has it, so that filters judge both alike.
static METADATA: Metadata<'static> = tracing_core::metadata! {
    name: "dispatch",
    target: TARGET,
    level: Level::INFO,
    fields: &["event", "delivery", "jobs", "otel.name", "otel.kind"],
    callsite: &WATCH,
    kind: Kind::SPAN,
};

impl Callsite for Watch {
    fn set_interest(&self, interest: Interest) {
        let wanted = !interest.is_never() && Level::INFO <= STATIC_MAX_LEVEL;
        // Before the lock: a dispatcher that is added after it reads this.
        WANTED.store(wanted, Ordering::Relaxed);
        for dispatcher in &*lock(&DISPATCHERS) {
            let Some(dispatcher) = dispatcher.upgrade() else {
                continue;
            };
            dispatcher.set_spans(wanted);
            if let Some(last) = Arc::into_inner(dispatcher) {
                // All others let go of it meanwhile. Its state is the user's, whose destructors may use `tracing`, which
                // holds its locks here.
                let thread = std::thread::Builder::new();
                drop(thread.spawn(move || drop(last)));
            }
        }
    }

    fn metadata(&self) -> &Metadata<'_> {
        &METADATA
    }
}

/// From now on, the dispatcher knows whether a subscriber wants its spans.
pub(crate) fn watch_subscribers(dispatcher: &Arc<Inner>) {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| tracing_core::callsite::register(&WATCH));
    let mut dispatchers = lock(&DISPATCHERS);
    dispatchers.retain(|dispatcher| dispatcher.strong_count() > 0);
    dispatchers.push(Arc::downgrade(dispatcher));
    dispatcher.set_spans(WANTED.load(Ordering::Relaxed));
}
