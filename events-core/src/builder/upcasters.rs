//! The check of the upcasters: whether those of an event lead to its version.

use crate::durable::UpcasterRecord;
use crate::event::EventMeta;
use crate::events::Parts;
use crate::fault::{Fault, FaultKind};

/// What is wrong with them.
pub(super) fn upcasters(parts: &Parts, faults: &mut Vec<Fault>) {
    let all = parts.wiring.upcasters().all();
    for of_event in all.chunk_by(|one, other| one.event().type_id == other.event().type_id) {
        let meta = of_event[0].event();
        let found = doubles(of_event)
            .chain(gaps(meta, of_event))
            .chain(early(meta, of_event));
        faults.extend(found.map(|fault| fault.on(meta.display_name().to_owned())));
    }
}

fn version(meta: &EventMeta) -> u32 {
    meta.durable.map_or(0, |form| form.version)
}

/// Two from one version.
fn doubles(of_event: &[&'static UpcasterRecord]) -> impl Iterator<Item = Fault> {
    let pairs = of_event.windows(2).map(|pair| (pair[0], pair[1]));
    let doubles = pairs.filter(|(one, other)| one.from() == other.from());
    doubles.map(|(one, other)| {
        let what = format!(
            "has two upcasters from version {}: {one} and {other}",
            one.from()
        );
        let cure = "remove one, or correct its `from`".to_owned();
        Fault::new(FaultKind::DuplicateUpcaster, what, cure)
    })
}

/// None from a version between the oldest that is upcast and the event's own.
fn gaps(meta: &EventMeta, of_event: &[&'static UpcasterRecord]) -> impl Iterator<Item = Fault> {
    let version = version(meta);
    let missing = (of_event[0].from()..version)
        .filter(|version| of_event.iter().all(|record| record.from() != *version));
    missing.map(move |missing| {
        let before = of_event.partition_point(|record| record.from() < missing) - 1;
        let before = of_event[before];
        let what = format!(
            "has version {version} and the upcaster {before} from version {}, but none from version {missing}",
            before.from()
        );
        let cure = format!(
            "write one: `#[upcaster({}, from = {missing})]`",
            meta.ident
        );
        Fault::new(FaultKind::MissingUpcaster, what, cure)
    })
}

/// Those from a version to which the event has no next one.
fn early(meta: &EventMeta, of_event: &[&'static UpcasterRecord]) -> impl Iterator<Item = Fault> {
    let version = version(meta);
    let early = of_event
        .iter()
        .filter(move |record| record.from() >= version);
    early.map(move |record| {
        let from = record.from();
        let what =
            format!("has version {version}, and the upcaster {record} starts from version {from}");
        let cure = format!(
            "raise the event's `version` to {}, or correct `from`",
            from.saturating_add(1)
        );
        Fault::new(FaultKind::EarlyUpcaster, what, cure)
    })
}
