//! One event and one listener, as the catalog tells them.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::listener::{Kind, OnMissing};

/// One event type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EventEntry {
    /// The stored name, if it has one.
    pub name: Option<String>,
    /// The path of the type.
    pub type_path: String,
    /// Whether it has a wire form.
    pub durable: bool,
    /// The version of the wire form.
    pub version: Option<u32>,
    /// The fields of the wire form in words, as the code has them: `amount: u64`. The types in them are not looked into.
    pub fields: Vec<String>,
    /// The upcasters that lead to the version, from the oldest version that can be read.
    pub upcasters: Vec<UpcasterEntry>,
    /// The models that travel by key in its wire form.
    pub models: Vec<String>,
    /// The paths of the categories it extends.
    pub categories: Vec<String>,
    /// The type of its listeners' answers, as written.
    pub response: Option<String>,
    /// Whether all its inline listeners wait for the commit of an open transaction.
    pub after_commit: bool,
    /// Whether all its inline listeners, where it is dispatched in a transaction, run in a job of that transaction.
    pub announced: bool,
    /// The doc comment.
    pub doc: String,
    /// The file that declares it, as the compiler names it.
    pub file: String,
    /// The line that declares it, from 1.
    pub line: u32,
    /// Its queued listeners in the order in which their jobs are pushed, before any listener runs.
    pub queued: Vec<Hearing>,
    /// Its inline listeners in the order in which they run.
    pub inline: Vec<Hearing>,
}

/// One upcaster of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UpcasterEntry {
    /// The version that it takes.
    pub from: u32,
    /// The path of its function.
    pub name: String,
    /// The file in which it is written, as the compiler names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// One listener in the order of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Hearing {
    /// The listener's full name.
    pub listener: String,
    /// How closely it names the event.
    pub by: HeardBy,
    /// Where it stands among the catalog's listeners: names of those added while the program runs are not unique.
    #[serde(skip)]
    pub(super) index: usize,
}

/// How closely a listener names an event. Among equal priorities, closer runs first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HeardBy {
    /// By its type.
    Type,
    /// By a category that it extends.
    Category,
    /// By a pattern that its name matches.
    Pattern,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListenerEntry {
    /// The full name: module and function, or the name given.
    pub name: String,
    /// The names it had before.
    pub formerly: Vec<String>,
    /// What it hears.
    pub hears: HearsEntry,
    /// Sync or async.
    #[serde(with = "KindText")]
    pub kind: Kind,
    /// High runs first.
    pub priority: i32,
    /// Whether it waits for the commit of an open transaction.
    pub after_commit: bool,
    /// Whether it runs under a condition only.
    pub when: bool,
    /// How it is queued; none for a listener that runs inline.
    pub queue: Option<QueueEntry>,
    /// Whether it was added while the program runs.
    pub runtime: bool,
    /// The doc comment.
    pub doc: String,
    /// The path of the module that it is written in; empty for a closure, which does not know it.
    pub module: String,
    /// The file in which it is written, as the compiler names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HearsEntry {
    /// Event types: the stored names, or the types' paths where they have none.
    Types(Vec<String>),
    /// A category: the path of its trait.
    Category(String),
    /// Every event whose stored name matches: `*` stands for any characters.
    Pattern(String),
}

/// How a listener is queued. What is not given is the queue's to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueEntry {
    /// The queue's name.
    pub name: String,
    /// Attempts at most.
    pub tries: Option<u32>,
    /// The waits between attempts.
    #[serde(serialize_with = "texts")]
    pub backoff: Vec<Duration>,
    /// Whether the waits are scattered.
    pub jitter: bool,
    /// How long one attempt may take.
    #[serde(serialize_with = "option_text")]
    pub timeout: Option<Duration>,
    /// How long the first attempt waits.
    #[serde(serialize_with = "option_text")]
    pub delay: Option<Duration>,
    /// How long after the dispatch an attempt may still start.
    #[serde(serialize_with = "option_text")]
    pub retry_for: Option<Duration>,
    /// What makes two jobs equal, of which one is superfluous.
    pub unique: Option<UniqueEntry>,
    /// Whether jobs of one key, which a function of the event gives, run in order.
    pub order_by: bool,
    /// The path of the function that runs when a job has failed for good.
    pub failed: Option<String>,
    /// What happens when a model that the event names is gone.
    #[serde(with = "OnMissingText")]
    pub on_missing: OnMissing,
}

/// What makes two jobs of one listener equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UniqueEntry {
    /// By what they are compared.
    pub by: UniqueKey,
    /// How long after its dispatch a job keeps others away at most.
    #[serde(serialize_with = "option_text")]
    pub for_at_most: Option<Duration>,
    /// Whether it keeps others away only until its first attempt starts.
    pub until_start: bool,
}

/// By what jobs of one listener are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UniqueKey {
    /// The payload.
    Payload,
    /// A function of the event.
    Function,
}

#[derive(Serialize)]
#[serde(remote = "Kind", rename_all = "lowercase")]
enum KindText {
    Sync,
    Async,
}

#[derive(Serialize)]
#[serde(remote = "OnMissing", rename_all = "lowercase")]
enum OnMissingText {
    Fail,
    Discard,
}

impl EventEntry {
    /// The stored name, else the path of the type.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.type_path)
    }
}

impl HearsEntry {
    /// Each thing that is heard, as `#[listener]` takes it: a type by its event's name where it has one.
    pub(super) fn each(&self) -> Vec<String> {
        match self {
            Self::Types(types) => types.clone(),
            Self::Category(category) => vec![format!("dyn {category}")],
            Self::Pattern(pattern) => vec![format!("{pattern:?}")],
        }
    }
}

/// A duration as `#[listener]` takes it, in the largest unit of which it is a whole number.
pub(super) fn duration(of: Duration) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ];
    let millis = of.as_millis();
    let whole = of.as_nanos() == millis * 1_000_000;
    match units.iter().find(|(unit, _)| millis.is_multiple_of(*unit)) {
        Some((unit, name)) if whole && millis > 0 => format!("{}{name}", millis / unit),
        _ => format!("{of:?}"),
    }
}

#[expect(clippy::ref_option, reason = "serde gives the field by reference")]
fn option_text<S: Serializer>(of: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    of.map(duration).serialize(to)
}

fn texts<S: Serializer>(of: &[Duration], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(of.iter().copied().map(duration))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn durations_are_written_as_they_are_given() {
        for (of, text) in [
            (Duration::from_secs(30), "30s"),
            (Duration::from_secs(90), "90s"),
            (Duration::from_mins(5), "5m"),
            (Duration::from_hours(6), "6h"),
            (Duration::from_hours(48), "2d"),
            (Duration::from_millis(500), "500ms"),
            (Duration::from_millis(1500), "1500ms"),
            (Duration::from_micros(7), "7µs"),
            (Duration::ZERO, "0ns"),
        ] {
            assert_eq!(duration(of), text);
        }
    }
}
