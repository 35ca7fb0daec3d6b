//! The catalog as text for a terminal.

use super::columns::{Row, columns};
use super::entry::duration;
use super::{Catalog, EventEntry, ListenerEntry, QueueEntry, UniqueKey};
use crate::listener::{Kind, OnMissing};

pub(super) fn table(catalog: &Catalog) -> String {
    let events: Vec<_> = catalog.events.iter().map(event).collect();
    let listeners: Vec<_> = catalog.listeners.iter().map(listener).collect();
    let events = section(
        "event",
        ["EVENT", "VERSION", "TYPE", "LISTENERS", "AT"],
        &events,
    );
    let listeners = section(
        "listener",
        ["LISTENER", "HEARS", "KIND", "RUNS", "PRIORITY", "AT"],
        &listeners,
    );
    format!("{events}\n{listeners}")
}

fn section<const N: usize>(noun: &str, headings: [&str; N], rows: &[Row<N>]) -> String {
    match rows.len() {
        0 => format!("no {noun}s\n"),
        1 => format!("1 {noun}\n\n{}", columns(headings, rows)),
        count => format!("{count} {noun}s\n\n{}", columns(headings, rows)),
    }
}

fn event(event: &EventEntry) -> Row<5> {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    Row {
        cells: [
            or_none(event.name.clone()),
            or_none(event.version.map(|version| version.to_string())),
            event.type_path.clone(),
            (event.queued.len() + event.inline.len()).to_string(),
            at(&event.file, event.line),
        ],
        notes: vec![first_line(&event.doc), event_options(event)],
    }
}

/// The options of an event, in words.
pub(super) fn event_options(event: &EventEntry) -> String {
    let mut options = Vec::new();
    if event.after_commit {
        options.push("after_commit".to_owned());
    }
    if event.announced {
        options.push("announced".to_owned());
    }
    options.extend(
        event
            .categories
            .iter()
            .map(|path| format!("extends {path}")),
    );
    if !event.upcasters.is_empty() {
        let versions: Vec<String> = event
            .upcasters
            .iter()
            .map(|upcaster| upcaster.from.to_string())
            .collect();
        options.push(format!("upcast from {}", versions.join(" ")));
    }
    options.extend(event.models.iter().map(|model| format!("model {model}")));
    options.extend(
        event
            .response
            .iter()
            .map(|response| format!("response {response}")),
    );
    options.join(", ")
}

fn listener(listener: &ListenerEntry) -> Row<6> {
    Row {
        cells: [
            listener.name.clone(),
            listener.hears.each().join(", "),
            kind(listener.kind).to_owned(),
            runs(listener),
            listener.priority.to_string(),
            at(&listener.file, listener.line),
        ],
        notes: vec![first_line(&listener.doc), listener_options(listener)],
    }
}

pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Sync => "sync",
        Kind::Async => "async",
    }
}

pub(super) fn runs(listener: &ListenerEntry) -> String {
    match &listener.queue {
        Some(queue) => format!("queue {}", queue.name),
        None => "inline".to_owned(),
    }
}

/// The options of a listener but its priority, in words.
pub(super) fn listener_options(listener: &ListenerEntry) -> String {
    let mut options = Vec::new();
    let mut flag = |set: bool, name: &str| {
        if set {
            options.push(name.to_owned());
        }
    };
    flag(listener.runtime, "added at run time");
    flag(listener.when, "when");
    flag(listener.after_commit, "after_commit");
    if let Some(queue) = &listener.queue {
        options.extend(queue_options(queue));
    }
    options.extend(
        listener
            .formerly
            .iter()
            .map(|name| format!("formerly {name}")),
    );
    options.join(", ")
}

fn queue_options(queue: &QueueEntry) -> Vec<String> {
    let mut options = Vec::new();
    options.extend(queue.tries.map(|tries| format!("tries {tries}")));
    if !queue.backoff.is_empty() {
        let waits: Vec<String> = queue.backoff.iter().copied().map(duration).collect();
        options.push(format!("backoff {}", waits.join(" ")));
    }
    options.extend(queue.jitter.then(|| "jitter".to_owned()));
    for (name, of) in [
        ("timeout", queue.timeout),
        ("delay", queue.delay),
        ("retry_for", queue.retry_for),
    ] {
        options.extend(of.map(|of| format!("{name} {}", duration(of))));
    }
    if let Some(unique) = &queue.unique {
        options.push(match unique.by {
            UniqueKey::Payload => "unique".to_owned(),
            UniqueKey::Function => "unique by a function".to_owned(),
        });
        options.extend(
            unique
                .for_at_most
                .map(|of| format!("unique_for {}", duration(of))),
        );
        options.extend(unique.until_start.then(|| "unique_until_start".to_owned()));
    }
    options.extend(queue.order_by.then(|| "order_by a function".to_owned()));
    options.extend(queue.failed.iter().map(|path| format!("failed {path}")));
    if queue.on_missing == OnMissing::Discard {
        options.push("on_missing discard".to_owned());
    }
    options
}

pub(super) fn at(file: &str, line: u32) -> String {
    format!("{file}:{line}")
}

fn first_line(doc: &str) -> String {
    doc.lines().next().unwrap_or_default().to_owned()
}
