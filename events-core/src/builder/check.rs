//! The check of a dispatcher's wiring: every fault at once.

use std::collections::{HashMap, HashSet};

use super::upcasters::upcasters;
use crate::durable::ModelRecord;
use crate::event::EventMeta;
use crate::events::Parts;
use crate::fault::{Fault, FaultKind, place};
use crate::listener::{FailedHook, Hears, Need, Needs, QueueOptions};
use crate::queue::{Capability, Job};
use crate::registry;
use crate::table::{Record, Wired, rank_for};

/// Everything that is wrong.
pub(super) fn all(parts: &Parts, expected: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    crates(parts, expected, &mut faults);
    event_names(parts, &mut faults);
    listener_names(parts, &mut faults);
    models(parts, &mut faults);
    upcasters(parts, &mut faults);
    for wired in parts.wiring.all() {
        check_listener(parts, wired, &mut faults);
    }
    faults
}

fn crates(parts: &Parts, expected: &[String], faults: &mut Vec<Fault>) {
    for krate in expected {
        let from = |module: &str| module.split("::").next() == Some(krate);
        let mut wired = parts.wiring.all().iter();
        if wired.any(|wired| from(&wired.record.source.module)) {
            continue;
        }
        let mut linked = registry::linked().listeners.iter();
        let (what, cure) = if linked.any(|record| from(&record.source.module)) {
            (
                format!("the listeners of the crate `{krate}` are linked, but this dispatcher does without them"),
                "remove `without_linked` or `only_linked_in` from the builder, or do not expect them".to_owned(),
            )
        } else {
            (
                format!("no listener of the crate `{krate}` is linked"),
                format!(
                    "name the crate in this program, or the linker drops it: `use {krate} as _;` or `events_core::link_all!();`"
                ),
            )
        };
        faults.push(Fault::new(FaultKind::MissingCrate, what, cure));
    }
}

fn event_names(parts: &Parts, faults: &mut Vec<Fault>) {
    let mut seen: HashMap<&str, &EventMeta> = HashMap::new();
    for meta in parts.wiring.events() {
        let Some(name) = meta.name else { continue };
        if let Some(first) = seen.insert(name, meta) {
            faults.push(
                Fault::new(
                    FaultKind::DuplicateEvent,
                    format!(
                        "is the name of two events: `{}::{}` ({}:{}) and `{}::{}` ({}:{})",
                        first.module,
                        first.ident,
                        first.file,
                        first.line,
                        meta.module,
                        meta.ident,
                        meta.file,
                        meta.line
                    ),
                    "give one of them another `name`".to_owned(),
                )
                .on(name.to_owned()),
            );
        }
    }
}

fn listener_names(parts: &Parts, faults: &mut Vec<Fault>) {
    let mut seen: HashMap<&str, &Record> = HashMap::new();
    for wired in parts.wiring.all() {
        let record = &wired.record;
        if record.name == Job::ANNOUNCEMENT {
            let what = "has the name that stands for announcements".to_owned();
            let cure = "give it another name: `#[listener(.., name = \"..\")]`".to_owned();
            let fault = Fault::new(FaultKind::DuplicateListener, what, cure);
            faults.push(fault.at(record).on(heard(record)));
        }
        let former = record.formerly.iter().copied();
        for name in std::iter::once(&*record.name).chain(former) {
            if let Some(first) = seen.insert(name, record) {
                faults.push(
                    Fault::new(
                        FaultKind::DuplicateListener,
                        format!(
                            "has the name `{name}`, as the listener at {} has",
                            place(&first.source)
                        ),
                        another_name(first, record),
                    )
                    .at(record)
                    .on(heard(record)),
                );
            }
        }
    }
}

/// The cure for two listeners of one name.
fn another_name(first: &Record, second: &Record) -> String {
    let mut cure = "give one of them another name: `#[listener(.., name = \"..\")]`".to_owned();
    if first.name == second.name && first.source.module == second.source.module {
        cure += ", for functions inside functions share the path of their module";
    }
    cure
}

fn models(parts: &Parts, faults: &mut Vec<Fault>) {
    let mut seen: Vec<&ModelRecord> = Vec::new();
    for loader in parts.wiring.loaders() {
        let same = |first: &&&ModelRecord| {
            first.type_id() == loader.type_id() || first.name() == loader.name()
        };
        if let Some(first) = seen.iter().find(same) {
            let what = if first.type_id() == loader.type_id() {
                "has two loaders"
            } else {
                "is the name of two models"
            };
            let (one, other) = (place(first.source()), place(loader.source()));
            let what = format!("{what}: {first:?} ({one}) and {loader:?} ({other})");
            let cure = "remove one, or give one of the models another `NAME`";
            let fault = Fault::new(FaultKind::DuplicateModel, what, cure.to_owned());
            faults.push(fault.on(loader.name().to_owned()));
        }
        seen.push(loader);
    }
}

/// Whether jobs of a listener that is added later would be taken for those of another.
pub(crate) fn check_job_names<'w>(
    record: &Record,
    others: impl Iterator<Item = &'w Wired>,
    faults: &mut Vec<Fault>,
) {
    if record.queue.is_none() {
        return;
    }
    for other in others.map(|other| &other.record) {
        if other.name == record.name || other.formerly.contains(&&*record.name) {
            faults.push(
                Fault::new(
                    FaultKind::DuplicateListener,
                    format!(
                        "is queued under the name `{}`, as the listener at {} is",
                        record.name,
                        place(&other.source)
                    ),
                    "subscribe one value of the type, or give one of them another name".to_owned(),
                )
                .at(record)
                .on(heard(record)),
            );
        }
    }
}

/// What is wrong with one listener.
pub(crate) fn check_listener(parts: &Parts, wired: &Wired, faults: &mut Vec<Fault>) {
    let record = &wired.record;
    needs(parts, wired, faults);
    if record.queue.is_none() {
        without_transaction(parts, record, faults);
    }
    match record.queue {
        Some(options) => queued(parts, record, options, faults),
        None if record.after_commit => kept(parts, record, faults),
        None => {}
    }
}

/// An inline listener that asks for the transaction cannot hear an event whose listeners wait for its commit.
fn without_transaction(parts: &Parts, record: &Record, faults: &mut Vec<Fault>) {
    let wants = |(_, need): &(usize, Need)| matches!(need, Need::Extension { .. });
    if !record
        .needs
        .into_iter()
        .flat_map(Needs::of)
        .any(|need| wants(&need))
    {
        return;
    }
    for meta in parts.wiring.events() {
        if (meta.after_commit || meta.announced) && rank_for(record, meta).is_some() {
            let what =
                "asks for the transaction, but the event's inline listeners run after its commit";
            let cure = "queue the listener: its job has a transaction of its own";
            let fault = Fault::new(FaultKind::NoTransaction, what.to_owned(), cure.to_owned());
            faults.push(fault.at(record).on(meta.display_name().to_owned()));
        }
    }
}

/// What waits for a commit is kept until then.
fn kept(parts: &Parts, record: &Record, faults: &mut Vec<Fault>) {
    for meta in parts.wiring.events() {
        if rank_for(record, meta).is_some() && meta.clone.is_none() {
            let what = "waits for the commit, but the event is not `Clone`, so that it cannot be kept until then";
            let cure = "derive `Clone` on the event, or remove `after_commit`";
            let fault = Fault::new(FaultKind::NotClone, what.to_owned(), cure.to_owned());
            faults.push(fault.at(record).on(meta.display_name().to_owned()));
        }
    }
}

fn needs(parts: &Parts, wired: &Wired, faults: &mut Vec<Fault>) {
    let record = &wired.record;
    let hook = record.queue.and_then(|queue| queue.failed);
    let of_hook = hook.iter().flat_map(FailedHook::needs);
    let needs = record.needs.into_iter().flat_map(Needs::of).chain(of_hook);
    for (_, need) in needs {
        let (kind, what, cure) = match need {
            Need::State { id, name } if parts.states.erased(id).is_none() => (
                FaultKind::MissingState,
                format!("needs the state `{name}`"),
                "give it to the builder: `.state(..)`",
            ),
            Need::Instance { id, name }
                if wired.owner.as_ref().is_none_or(|owner| owner.of != id) =>
            {
                (
                    FaultKind::MissingInstance,
                    format!("is a method of `{name}`, of which there is no value"),
                    "give the value to the builder: `.subscribe(value)`",
                )
            }
            _ => continue,
        };
        faults.push(
            Fault::new(kind, what, cure.to_owned())
                .at(record)
                .on(heard(record)),
        );
    }
}

/// Whether the listener or its hook asks for what only a queue of a store has.
fn wants_transaction(record: &Record, options: &QueueOptions) -> bool {
    let mut of_listener = record.needs.into_iter().flat_map(Needs::of);
    of_listener.any(|(_, need)| matches!(need, Need::Extension { .. }))
        || options.failed.is_some_and(|hook| hook.wants_extension())
}

fn queued(parts: &Parts, record: &Record, options: &QueueOptions, faults: &mut Vec<Fault>) {
    let mut fault = |kind, what: String, cure: &str, event: String| {
        faults.push(Fault::new(kind, what, cure.to_owned()).at(record).on(event));
    };
    match &parts.queue {
        None if parts.fakes.is_none() => fault(
            FaultKind::MissingQueue,
            format!("is queued on `{}`, but there is no queue", options.queue),
            "give one to the builder: `.queue(..)`, as `MemoryQueue::new()`",
            heard(record),
        ),
        None => {}
        Some(queue) => {
            if wants_transaction(record, options)
                && !queue.capabilities().contains(&Capability::Transaction)
            {
                fault(
                    FaultKind::UnsupportedOption,
                    "asks for a value of its job's run, as its transaction, which this queue does not hand in"
                        .to_owned(),
                    "remove the argument, of the listener or its `failed` hook, or use a queue of a store",
                    heard(record),
                );
            }
            for option in Capability::wanted_by(options) {
                if !queue.capabilities().contains(&option) {
                    fault(
                        FaultKind::UnsupportedOption,
                        format!("has the option `{option}`, which this queue does not support"),
                        "remove the option, or use a queue that supports it",
                        heard(record),
                    );
                }
            }
        }
    }
    for meta in parts.wiring.events() {
        if rank_for(record, meta).is_none() {
            continue;
        }
        let event = || meta.display_name().to_owned();
        let Some(form) = meta.durable else {
            fault(
                FaultKind::NotDurable,
                "is queued, but the event has no wire form".to_owned(),
                "write `#[event(durable, name = \"..\")]` on the event, or remove `queue`",
                event(),
            );
            continue;
        };
        if let Some(membership) = meta.categories.iter().find(|member| member.forbids_queue) {
            fault(
                FaultKind::QueueForbidden,
                format!("is queued, but listeners of `{membership:?}` run inline"),
                "remove `queue`, or narrow what the listener hears",
                event(),
            );
        }
        let mut seen = HashSet::new();
        for model in form.models {
            let (id, name) = model();
            if !seen.insert(id) {
                continue;
            }
            let Some(loader) = parts.wiring.model(id) else {
                fault(
                    FaultKind::MissingLoader,
                    format!("is queued, but there is no loader for the event's model `{name}`"),
                    "mark one with `#[model]`",
                    event(),
                );
                continue;
            };
            for need in loader.needs.into_iter().flat_map(Needs::of) {
                if let (_, Need::State { id, name }) = need
                    && parts.states.erased(id).is_none()
                {
                    fault(
                        FaultKind::MissingState,
                        format!(
                            "is queued, and {loader:?} ({}) needs the state `{name}`",
                            place(loader.source())
                        ),
                        "give it to the builder: `.state(..)`",
                        event(),
                    );
                }
            }
        }
    }
}

/// What a listener hears, for a sentence.
pub(crate) fn heard(record: &Record) -> String {
    match &record.hears {
        Hears::Types(types) => {
            let names: Vec<&str> = types.iter().map(|meta| meta().display_name()).collect();
            names.join(", ")
        }
        Hears::Category(category) => format!("dyn {}", category().ident),
        Hears::Pattern(pattern) => pattern.to_string(),
    }
}
