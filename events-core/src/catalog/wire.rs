//! The wire forms in `events.lock`: their fields and upcasters, and what a change of them means.

use std::collections::{BTreeMap, BTreeSet};

use super::lock::{About, Fact, word};
use super::{Catalog, EventEntry};

/// How a field's line begins: then the event, its version, and the field.
pub(super) const FIELD: &str = "wire ";
/// How an upcaster's line begins: then the event, and the version that it takes.
pub(super) const UPCASTER: &str = "upcaster ";

/// The lines of one event.
pub(super) fn lines(event: &EventEntry) -> Vec<String> {
    let (Some(name), Some(version)) = (event.name.as_deref().map(word), event.version) else {
        return Vec::new();
    };
    let fields = event.fields.iter();
    let fields = fields.map(|field| format!("{FIELD}{name} version={version} {field}"));
    let upcasters = event.upcasters.iter();
    let upcasters = upcasters.map(|upcaster| format!("{UPCASTER}{name} from={}", upcaster.from));
    fields.chain(upcasters).collect()
}

/// The event of that name, as it stands in the file.
fn event_named<'c>(catalog: &'c Catalog, name: &str) -> Option<&'c EventEntry> {
    let named = |event: &&EventEntry| event.name.as_deref().map(word).as_deref() == Some(name);
    catalog.events.iter().find(named)
}

/// Whether upcasters turn payloads of this version.
pub(super) fn reaches(catalog: &Catalog, name: &str, version: &str) -> bool {
    event_named(catalog, name).is_some_and(|event| {
        let mut upcasters = event.upcasters.iter();
        upcasters.any(|upcaster| upcaster.from.to_string() == version)
    })
}

/// An upcaster that is gone, of an event that is still there.
pub(super) fn upcaster_gone(catalog: &Catalog, name: &str, vanished: &[Fact]) -> Option<String> {
    event_named(catalog, name)?.version?;
    let mut versions: Vec<&str> = vanished
        .iter()
        .filter(|fact| matches!(&fact.about, About::Upcaster(of) if of == name))
        .filter_map(|fact| Some(fact.line.rsplit_once(" from=")?.1))
        .collect();
    versions.sort_unstable_by_key(|version| (version.len(), *version));
    Some(format!(
        "Nothing turns what was stored in version {} of `{name}` any more: such jobs cannot run. If the code still has \
         the upcaster, its crate is not linked.",
        versions.join(", ")
    ))
}

/// The fields of each event, by its name and version.
fn forms(facts: &BTreeSet<Fact>) -> BTreeMap<(&str, u32), BTreeSet<&str>> {
    let mut forms: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for fact in facts {
        if let About::Wire(name) = &fact.about
            && let Some((version, field)) = version_and_field(&fact.line, name)
        {
            forms.entry((&**name, version)).or_default().insert(field);
        }
    }
    forms
}

fn version_and_field<'l>(line: &'l str, name: &str) -> Option<(u32, &'l str)> {
    let rest = line.strip_prefix(FIELD)?.strip_prefix(name)?;
    let (version, field) = rest.strip_prefix(" version=")?.split_once(' ')?;
    Some((version.parse().ok()?, field))
}

/// Sentences about forms that changed while their versions did not. A file that has no fields of an event is older
/// than such lines.
pub(super) fn changed_in_silence(then: &BTreeSet<Fact>, now: &BTreeSet<Fact>) -> Vec<String> {
    let (then, now) = (forms(then), forms(now));
    let both = then
        .iter()
        .filter_map(|(of, before)| Some((of, before, now.get(of)?)));
    both.filter(|(_, before, after)| before != after)
        .map(|((name, version), before, after)| {
            let what = changes(
                before.difference(after).copied().collect(),
                after.difference(before).copied().collect(),
            );
            format!(
                "The wire form of `{name}` changed, and is version {version} as before: {what}. What was stored in version \
                 {version} may not be readable: raise the event's `version` to {}, and write an `#[upcaster(.., from = \
                 {version})]`. If nothing was stored yet, or the JSON is the same, accept it.",
                version.saturating_add(1)
            )
        })
        .collect()
}

/// What became of the fields: those of one name are told together.
fn changes(gone: Vec<&str>, mut new: Vec<&str>) -> String {
    let name = |field: &str| field.split([':', ' ']).next().map(str::to_owned);
    let mut changes = Vec::new();
    for field in gone {
        match new.iter().position(|other| name(other) == name(field)) {
            Some(same) => changes.push(format!("`{field}` became `{}`", new.remove(same))),
            None => changes.push(format!("`{field}` is gone")),
        }
    }
    changes.extend(new.into_iter().map(|field| format!("`{field}` is new")));
    changes.join(", ")
}
