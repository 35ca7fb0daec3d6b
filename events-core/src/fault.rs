//! What `build` finds wrong.

use std::fmt;

use crate::dispatch::ListenerInfo;
use crate::event::EventMeta;
use crate::listener::Source;
use crate::table::Record;

/// The kinds of fault that `build` finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// A listener asks for a state that the dispatcher has not.
    MissingState,
    /// A subscriber's method was registered without its value.
    MissingInstance,
    /// A queued listener, and no queue.
    MissingQueue,
    /// A queued listener with an option that the queue does not support.
    UnsupportedOption,
    /// A queued listener of an event without a wire form.
    NotDurable,
    /// A queued listener of an event whose category wants its listeners inline.
    QueueForbidden,
    /// A queued listener of an event with a model that has no loader.
    MissingLoader,
    /// Two loaders of one model, or two models of one name.
    DuplicateModel,
    /// Two upcasters of one event turn the same version.
    DuplicateUpcaster,
    /// An event's upcasters do not lead to its version.
    MissingUpcaster,
    /// An upcaster turns a version that its event does not have yet, or has now.
    EarlyUpcaster,
    /// A listener waits for a commit, but the event cannot be kept until then.
    NotClone,
    /// An inline listener asks for a transaction, but runs after its commit.
    NoTransaction,
    /// Two events have one name.
    DuplicateEvent,
    /// Two listeners have one name.
    DuplicateListener,
    /// No listener of an expected crate is linked.
    MissingCrate,
    /// A record was put together wrongly, by other means than the macros.
    Mismatched,
}

/// One thing that is wrong with a dispatcher's wiring, and its cure.
#[derive(Clone)]
pub struct Fault {
    kind: FaultKind,
    listener: Option<ListenerInfo>,
    event: Option<String>,
    what: String,
    cure: String,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, what: String, cure: String) -> Self {
        Self {
            kind,
            listener: None,
            event: None,
            what,
            cure,
        }
    }

    pub(crate) fn at(mut self, listener: &Record) -> Self {
        self.listener = Some(ListenerInfo(listener.clone()));
        self
    }

    pub(crate) fn on(mut self, event: String) -> Self {
        self.event = Some(event);
        self
    }

    /// What kind of fault it is.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The listener that lacks something.
    #[must_use]
    pub fn listener(&self) -> Option<&ListenerInfo> {
        self.listener.as_ref()
    }

    /// What the listener hears, or the event that is wrong.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        self.event.as_deref()
    }

    /// What to do.
    #[must_use]
    pub fn cure(&self) -> &str {
        &self.cure
    }

    pub(crate) fn missing_state(listener: &Record, meta: &EventMeta, state: &str) -> Self {
        Self::new(
            FaultKind::MissingState,
            format!("needs the state `{state}`"),
            format!(
                "give it to the dispatcher: `Events::builder().state(..)` with a `{}`, then `.build()?`, and for `event.dispatch()` also `.set_default()?` at the start of `main`",
                short(state)
            ),
        )
        .at(listener)
        .on(meta.display_name().to_owned())
    }

    pub(crate) fn missing_instance(listener: &Record, meta: &EventMeta, of: &str) -> Self {
        Self::new(
            FaultKind::MissingInstance,
            format!("is a method of `{of}`, of which there is no value"),
            "give the value to the builder: `.subscribe(value)`".to_owned(),
        )
        .at(listener)
        .on(meta.display_name().to_owned())
    }

    pub(crate) fn mismatched(listener: &Record, meta: &EventMeta) -> Self {
        Self::new(
            FaultKind::Mismatched,
            "has a record that is not for this event".to_owned(),
            "let `#[listener]` write it".to_owned(),
        )
        .at(listener)
        .on(meta.display_name().to_owned())
    }
}

/// The last segment of a type's path, for a sentence.
fn short(path: &str) -> &str {
    if path.contains('<') {
        return path;
    }
    path.rsplit("::").next().unwrap_or(path)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.listener, &self.event) {
            (Some(listener), Some(event)) => write!(f, "{listener} on `{event}` ")?,
            (Some(listener), None) => write!(f, "{listener} ")?,
            (None, Some(event)) => write!(f, "`{event}` ")?,
            (None, None) => {}
        }
        write!(f, "{}: {}", self.what, self.cure)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind)
    }
}

pub(crate) fn place(source: &Source) -> String {
    format!("{}:{}", source.file, source.line)
}

/// Faults in one line.
pub(crate) fn list(faults: &[Fault]) -> String {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    faults.join("; ")
}

/// A dispatcher that could not be built, with everything that is wrong.
#[derive(Clone)]
pub struct BuildError(Vec<Fault>);

impl BuildError {
    pub(crate) fn unless_empty(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self(faults))
        }
    }

    /// Everything that is wrong.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "fault" } else { "faults" };
        write!(f, "the dispatcher has {count} {noun} in its wiring:")?;
        for fault in &self.0 {
            write!(f, "\n  - {fault}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for BuildError {
    /// As the text: `unwrap` then shows a list to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BuildError {}
