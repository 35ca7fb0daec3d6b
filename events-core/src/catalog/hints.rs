//! What a difference from `events.lock` may mean, and what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::lock::{About, Fact, word};
use super::{Catalog, wire};

/// Sentences about what vanished, one for one cause.
pub(super) fn hints(
    catalog: &Catalog,
    then: &BTreeSet<Fact>,
    now: &BTreeSet<Fact>,
    vanished: &[Fact],
) -> Vec<String> {
    let subjects: BTreeSet<&About> = vanished.iter().map(|fact| &fact.about).collect();
    let known = |about: &About| now.iter().any(|fact| fact.about == *about);
    let mut hints = Vec::new();
    let mut lost: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for about in subjects {
        match about {
            About::Event(name) => hints.extend(event(catalog, about, name, now, vanished)),
            About::Upcaster(name) => hints.extend(wire::upcaster_gone(catalog, name, vanished)),
            // Told for each event at once, below.
            About::Wire(_) => {}
            About::Listener(_) if known(about) => {}
            About::Listener(name) => match renamed_to(catalog, name) {
                Some(new) => hints.push(format!(
                    "`{name}` is now `{new}`, which runs its stored jobs too (`formerly`)."
                )),
                None => lost.entry(crate_of(name)).or_default().push(name),
            },
            About::Unknown => {
                hints.push(
                    "The file has lines that are no facts: is a merge unfinished?".to_owned(),
                );
            }
        }
    }
    hints.extend(wire::changed_in_silence(then, now));
    for (krate, names) in &lost {
        hints.push(linkage(catalog, *krate, names));
    }
    let queued = lost
        .values()
        .flatten()
        .filter(|name| was_queued(vanished, name));
    hints.extend(queued.map(|name| {
        format!(
            "Jobs of `{name}` may still be stored. If it was renamed, let the new one say so: `formerly = \"..\"`."
        )
    }));
    hints
}

fn event(
    catalog: &Catalog,
    about: &About,
    name: &str,
    now: &BTreeSet<Fact>,
    vanished: &[Fact],
) -> Option<String> {
    let before = version(vanished.iter().find(|fact| fact.about == *about)?);
    let after = now.iter().find(|fact| fact.about == *about);
    match (before, after.map(version)) {
        (Some(before), Some(Some(after))) => {
            let old = if wire::reaches(catalog, name, before) {
                format!("Upcasters turn what was stored in version {before}.")
            } else {
                format!(
                    "Nothing turns what was stored in version {before}: write an `#[upcaster(.., from = {before})]`, \
                     or let the jobs run out first."
                )
            };
            Some(format!(
                "The wire form of `{name}` changed from version {before} to version {after}. {old} A program that has \
                 version {before} leaves jobs of version {after} alone."
            ))
        }
        (Some(_), Some(None)) => Some(format!(
            "`{name}` has no wire form any more: jobs that were stored with it cannot run."
        )),
        (before, None) => {
            let jobs = match before {
                Some(_) => " Jobs that were stored with it cannot run.",
                None => "",
            };
            Some(format!(
                "The event `{name}` vanished.{jobs} If the code still has it, its crate is not linked: {}",
                name_it("that_crate")
            ))
        }
        (None, Some(_)) => None,
    }
}

fn version(fact: &Fact) -> Option<&str> {
    fact.line
        .rsplit_once(" version=")
        .map(|(_, version)| version)
}

/// The listener that says it had this name.
fn renamed_to(catalog: &Catalog, name: &str) -> Option<String> {
    let mut listeners = catalog.listeners.iter();
    let new = listeners.find(|new| new.formerly.iter().any(|former| word(former) == name))?;
    Some(word(&new.name))
}

/// The crate in a listener's full name; a name that was given may have none.
fn crate_of(name: &str) -> Option<&str> {
    let (krate, _) = name.split_once("::")?;
    let is_ident = krate.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_ident && !krate.is_empty()).then_some(krate)
}

/// Listeners that are gone, of one crate: if the program has anything else of it, it is linked.
fn linkage(catalog: &Catalog, krate: Option<&str>, names: &[&str]) -> String {
    let (its, it) = match names {
        [_] => ("its", "it"),
        _ => ("their", "them"),
    };
    let which = match (names, krate) {
        ([name], _) => format!("The listener `{name}` vanished"),
        (_, Some(krate)) => format!("{} listeners of the crate `{krate}` vanished", names.len()),
        (_, None) => format!("{} listeners vanished", names.len()),
    };
    match krate {
        Some(krate) if is_linked(catalog, krate) => format!(
            "{which}. The crate `{krate}` is linked, so `use {krate} as _;` is not what lacks. If the code still has \
             {it}, look for a `#[cfg]` that leaves {it} out, or another name."
        ),
        Some(krate) => format!(
            "{which}, and with {it} all of the crate. If the code still has {it}, the crate is not linked: {}",
            name_it(krate)
        ),
        None => format!(
            "{which}. If the code still has {it}, {its} crate is not linked: {}",
            name_it("that_crate")
        ),
    }
}

fn is_linked(catalog: &Catalog, krate: &str) -> bool {
    let listeners = catalog.listeners.iter().map(|listener| &listener.module);
    let events = catalog.events.iter().map(|event| &event.type_path);
    listeners
        .chain(events)
        .any(|path| path.split("::").next() == Some(krate))
}

fn name_it(krate: &str) -> String {
    format!(
        "a crate that no code names is left out, with its events and listeners. Name it: `use {krate} as _;`"
    )
}

fn was_queued(vanished: &[Fact], name: &str) -> bool {
    vanished.iter().any(|fact| {
        matches!(&fact.about, About::Listener(of) if of == name)
            && fact.line.contains(" queued queue=")
    })
}
