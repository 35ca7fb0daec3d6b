//! Upcasters: functions that turn a payload of one version of an event into one of the next.

use std::any::TypeId;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::DecodeError;
use crate::BoxError;
use crate::event::{EventMeta, meta_of};
use crate::future::caught;
use crate::listener::{Durable, Source};

/// The static description of an upcaster. Written by `#[upcaster]`.
pub struct UpcasterRecord {
    event: fn() -> &'static EventMeta,
    from: u32,
    name: &'static str,
    source: Source,
    step: fn(&str) -> Result<String, BoxError>,
}

impl UpcasterRecord {
    /// The record of an upcaster of `E` from this version on. `name` is the function's path.
    #[must_use]
    pub const fn new<E: Durable>(
        from: u32,
        name: &'static str,
        source: Source,
        step: fn(&str) -> Result<String, BoxError>,
    ) -> Self {
        Self {
            event: meta_of::<E>,
            from,
            name,
            source,
            step,
        }
    }

    pub(crate) fn event(&self) -> &'static EventMeta {
        (self.event)()
    }

    /// The version that it takes.
    pub(crate) fn from(&self) -> u32 {
        self.from
    }

    /// The path of its function.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The payload in the next version. A panic is a failure.
    fn run(&self, payload: &str) -> Result<String, DecodeError> {
        let failed = |error| DecodeError::Upcast {
            upcaster: self.to_string(),
            event: self.event().display_name(),
            from: self.from,
            error,
        };
        match caught(|| (self.step)(payload)) {
            Ok(turned) => turned.map_err(failed),
            Err(message) => Err(failed(format!("panicked: {message}").into())),
        }
    }
}

impl fmt::Display for UpcasterRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (self.source.file, self.source.line);
        write!(f, "`{}` ({file}:{line})", self.name)
    }
}

impl fmt::Debug for UpcasterRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the upcaster {self}")
    }
}

/// An upcaster that is registered by hand: written by `#[upcaster(.., handle = NAME)]`, given to
/// [`EventsBuilder::register_upcaster`](crate::EventsBuilder::register_upcaster).
#[derive(Clone, Copy, Debug)]
pub struct UpcasterHandle(&'static UpcasterRecord);

impl UpcasterHandle {
    /// The handle of this upcaster.
    #[must_use]
    pub const fn new(record: &'static UpcasterRecord) -> Self {
        Self(record)
    }

    pub(crate) fn record(self) -> &'static UpcasterRecord {
        self.0
    }
}

/// The payload that an upcaster takes.
///
/// # Errors
///
/// If it is not of that form.
pub fn old_payload<Old: DeserializeOwned>(payload: &str) -> Result<Old, BoxError> {
    Ok(serde_json::from_str(payload)?)
}

/// What an upcaster has returned: a payload, or a `Result` of one. The method of a `Result` goes before that of
/// [`Plain`], which every other type has, so that the type decides and not how it is written.
pub struct Returned<T>(pub T);

impl<T, E> Returned<Result<T, E>> {
    /// The payload as JSON.
    ///
    /// # Errors
    ///
    /// The upcaster's own; or if the payload refuses to be serialised.
    pub fn write(self) -> Result<String, BoxError>
    where
        T: Serialize,
        E: Into<BoxError>,
    {
        let payload = self.0.map_err(Into::into)?;
        Ok(serde_json::to_string(&payload)?)
    }
}

/// An upcaster's payload that is no `Result`: see [`Returned`].
pub trait Plain<T> {
    /// The payload as JSON.
    ///
    /// # Errors
    ///
    /// If it refuses to be serialised.
    fn write(self) -> Result<String, BoxError>
    where
        T: Serialize;
}

impl<T> Plain<T> for Returned<T> {
    fn write(self) -> Result<String, BoxError>
    where
        T: Serialize,
    {
        Ok(serde_json::to_string(&self.0)?)
    }
}

/// The upcasters of one dispatcher.
#[derive(Default)]
pub(crate) struct Upcasters {
    all: Vec<&'static UpcasterRecord>,
    /// By event: those that lead to its version without a gap, in the order of their versions.
    chains: HashMap<TypeId, Vec<&'static UpcasterRecord>>,
}

impl Upcasters {
    /// Puts the upcasters of each event together, from its version down to the first gap.
    pub(crate) fn new(mut all: Vec<&'static UpcasterRecord>) -> Self {
        all.sort_by_key(|record| {
            let (event, source) = (record.event(), record.source());
            (
                (event.module, event.ident, record.from),
                (source.file, source.line),
            )
        });
        // One that is registered by hand may be linked too.
        all.dedup_by(|one, other| std::ptr::eq(*one, *other));
        let mut chains: HashMap<TypeId, Vec<&'static UpcasterRecord>> = HashMap::new();
        for record in all.iter().rev() {
            let meta = record.event();
            let version = meta.durable.map_or(0, |form| form.version);
            let chain = chains.entry(meta.type_id).or_default();
            let next = chain.last().map_or(version, |later| later.from);
            if record.from.checked_add(1) == Some(next) {
                chain.push(record);
            }
        }
        for chain in chains.values_mut() {
            chain.reverse();
        }
        Self { all, chains }
    }

    /// Every upcaster, by event and version.
    pub(crate) fn all(&self) -> &[&'static UpcasterRecord] {
        &self.all
    }

    /// Those that lead to the event's version without a gap, the oldest version first.
    pub(crate) fn of(&self, meta: &EventMeta) -> &[&'static UpcasterRecord] {
        self.chains.get(&meta.type_id).map_or(&[], |chain| chain)
    }

    /// Whether a payload of this version can be read.
    pub(crate) fn reaches(&self, meta: &EventMeta, version: u32) -> bool {
        let Some(form) = meta.durable else {
            return false;
        };
        form.version == version || self.of(meta).iter().any(|step| step.from == version)
    }

    /// A payload of any version that can be read, in the event's own.
    pub(super) fn upcast<'p>(
        &self,
        meta: &'static EventMeta,
        version: u32,
        payload: &'p str,
    ) -> Result<Cow<'p, str>, DecodeError> {
        if !self.reaches(meta, version) {
            return Err(DecodeError::unknown_version(meta, version));
        }
        let mut payload = Cow::Borrowed(payload);
        let steps = self.of(meta).iter();
        for step in steps.filter(|step| step.from >= version) {
            payload = Cow::Owned(step.run(&payload)?);
        }
        Ok(payload)
    }
}
