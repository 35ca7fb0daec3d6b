//! Reads a catalog from a dispatcher.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{
    Catalog, EventEntry, HeardBy, Hearing, HearsEntry, ListenerEntry, QueueEntry, UniqueEntry,
    UniqueKey, UpcasterEntry,
};
use crate::durable::UpcasterRecord;
use crate::event::{CategoryMeta, EventMeta};
use crate::events::{Events, Inner};
use crate::listener::{Hears, QueueOptions, Unique};
use crate::table::{Entry, Rank, Wired};

pub(super) fn gather(events: &Events) -> Catalog {
    let inner = events.inner();
    let given = inner.parts().wiring.all().iter().cloned();
    let mut wired: Vec<(ListenerEntry, Wired)> = given
        .map(|wired| (listener(&wired, false), wired))
        .chain(
            inner
                .added()
                .into_iter()
                .map(|wired| (listener(&wired, true), wired)),
        )
        .collect();
    wired.sort_by(|(a, _), (b, _)| {
        (&a.name, &a.file, a.line, &a.hears).cmp(&(&b.name, &b.file, b.line, &b.hears))
    });
    let indices: HashMap<Identity, usize> = wired
        .iter()
        .enumerate()
        .map(|(index, (_, wired))| (identity(wired), index))
        .collect();
    let metas = metas(inner, wired.iter().map(|(_, wired)| wired));
    Catalog {
        events: metas
            .into_iter()
            .map(|meta| event(inner, meta, &indices))
            .collect(),
        listeners: wired.into_iter().map(|(listener, _)| listener).collect(),
    }
}

/// What tells listeners apart that may have one name, or one record: where their record and their value are.
type Identity = (usize, Option<usize>);

fn identity(wired: &Wired) -> Identity {
    let owner = wired.owner.as_ref();
    (
        std::ptr::from_ref(&*wired.record).addr(),
        owner.map(|owner| Arc::as_ptr(&owner.instance).addr()),
    )
}

/// The events that the dispatcher knows, and those that its listeners name: where link-time constructors do not
/// run, it knows no others.
fn metas<'w>(inner: &Inner, wired: impl Iterator<Item = &'w Wired>) -> Vec<&'static EventMeta> {
    let mut metas = inner.parts().wiring.events().to_vec();
    for wired in wired {
        if let Hears::Types(types) = &wired.record.hears {
            metas.extend(types.iter().map(|meta| meta()));
        }
    }
    let mut seen = HashSet::new();
    metas.retain(|meta| seen.insert(meta.type_id));
    metas.sort_by_cached_key(|meta| (label(meta), meta.module, meta.ident, meta.file, meta.line));
    metas
}

fn event(
    inner: &Inner,
    meta: &'static EventMeta,
    indices: &HashMap<Identity, usize>,
) -> EventEntry {
    let table = inner.merged(meta);
    // One that was added since the listeners were listed is left out.
    let hearings = |entries: &[Entry]| {
        let hearing = |entry: &Entry| {
            Some(Hearing {
                listener: entry.record().name.to_string(),
                by: entry.rank.into(),
                index: *indices.get(&identity(&entry.wired))?,
            })
        };
        entries.iter().filter_map(hearing).collect()
    };
    let upcasters = inner.parts().wiring.upcasters().of(meta);
    let models = meta.durable.map_or(&[][..], |form| form.models);
    EventEntry {
        name: meta.name.map(str::to_owned),
        type_path: type_path(meta),
        durable: meta.durable.is_some(),
        version: meta.durable.map(|form| form.version),
        fields: meta.durable.map_or_else(Vec::new, |form| {
            form.fields.lines().map(str::to_owned).collect()
        }),
        upcasters: upcasters.iter().map(|record| upcaster(record)).collect(),
        models: models.iter().map(|model| model().1.to_owned()).collect(),
        categories: meta
            .categories
            .iter()
            .map(|membership| category_path((membership.category)()))
            .collect(),
        response: meta.response.map(str::to_owned),
        after_commit: meta.after_commit,
        announced: meta.announced,
        doc: meta.doc.to_owned(),
        file: meta.file.to_owned(),
        line: meta.line,
        queued: hearings(table.queued()),
        inline: hearings(table.inline()),
    }
}

fn upcaster(record: &UpcasterRecord) -> UpcasterEntry {
    let source = record.source();
    UpcasterEntry {
        from: record.from(),
        name: record.name().to_owned(),
        file: source.file.to_owned(),
        line: source.line,
    }
}

fn listener(wired: &Wired, runtime: bool) -> ListenerEntry {
    let record = &*wired.record;
    ListenerEntry {
        name: record.name.to_string(),
        formerly: owned(record.formerly),
        hears: match &record.hears {
            Hears::Types(types) => {
                HearsEntry::Types(types.iter().map(|meta| label(meta())).collect())
            }
            Hears::Category(category) => HearsEntry::Category(category_path(category())),
            Hears::Pattern(pattern) => HearsEntry::Pattern(pattern.to_string()),
        },
        kind: record.kind,
        priority: record.priority,
        after_commit: record.after_commit,
        when: record.when.is_some(),
        queue: record.queue.map(queue),
        runtime,
        doc: record.doc.to_owned(),
        module: record.source.module.to_string(),
        file: record.source.file.to_owned(),
        line: record.source.line,
    }
}

fn queue(options: &QueueOptions) -> QueueEntry {
    let unique = |unique: Unique| UniqueEntry {
        by: match unique.key {
            Some(_) => UniqueKey::Function,
            None => UniqueKey::Payload,
        },
        for_at_most: unique.for_at_most,
        until_start: unique.until_start,
    };
    QueueEntry {
        name: options.queue.to_owned(),
        tries: options.tries,
        backoff: options.backoff.to_vec(),
        jitter: options.jitter,
        timeout: options.timeout,
        delay: options.delay,
        retry_for: options.retry_for,
        unique: options.unique.map(unique),
        order_by: options.order_by.is_some(),
        failed: options.failed.map(|hook| hook.name.to_owned()),
        on_missing: options.on_missing,
    }
}

/// The stored name, else the path of the type.
fn label(meta: &EventMeta) -> String {
    meta.name.map_or_else(|| type_path(meta), str::to_owned)
}

fn type_path(meta: &EventMeta) -> String {
    format!("{}::{}", meta.module, meta.ident)
}

fn category_path(category: &CategoryMeta) -> String {
    format!("{}::{}", category.module, category.ident)
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

impl From<Rank> for HeardBy {
    fn from(rank: Rank) -> Self {
        match rank {
            Rank::Exact => Self::Type,
            Rank::Category => Self::Category,
            Rank::Pattern => Self::Pattern,
        }
    }
}
