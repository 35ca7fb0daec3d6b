//! The static description of an event type, written by the derive and read by registry, dispatcher and catalog.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{AnyEvent, CategoryMembership, Event};
use crate::durable::{DecodeError, EncodeError, Loader};
use crate::erased::{clone_as, debug_as};
use crate::future::BoxFuture;

/// Clones an erased event; `None` if the value is of another type than the description's.
pub type CloneFn = fn(&dyn AnyEvent) -> Option<Box<dyn AnyEvent>>;
/// Formats an erased event by its own `Debug`.
pub type DebugFn = fn(&dyn AnyEvent, &mut fmt::Formatter<'_>) -> fmt::Result;

/// An event that is being read.
pub type Decoding<'a> = BoxFuture<'a, Result<Box<dyn AnyEvent>, DecodeError>>;

/// How a durable event is written and read.
pub struct DurableForm {
    /// The version of the wire form.
    pub version: u32,
    /// Its fields in words, one on each line, for people to compare: names, types as written, attributes of serde.
    pub fields: &'static str,
    /// Writes the payload as JSON.
    pub encode: fn(&dyn AnyEvent) -> Result<String, EncodeError>,
    /// Reads a payload, loading the models it names.
    pub decode: for<'a> fn(&'a str, Loader<'a>) -> Decoding<'a>,
    /// The models its fields name, by type: each needs a loader.
    pub models: &'static [fn() -> (TypeId, &'static str)],
}

/// The static description of one event type.
pub struct EventMeta {
    index: AtomicU32,
    /// The type's name without its path.
    pub ident: &'static str,
    /// The path of the module that declares it.
    pub module: &'static str,
    /// The stable name, which patterns and stored payloads use.
    pub name: Option<&'static str>,
    /// The type's doc comment.
    pub doc: &'static str,
    /// The file that declares it.
    pub file: &'static str,
    /// The line that declares it, from 1.
    pub line: u32,
    /// The type.
    pub(crate) type_id: TypeId,
    /// Whether all its inline listeners wait for the commit of an open transaction.
    pub after_commit: bool,
    /// Whether all its inline listeners, where it is dispatched in a transaction, run in a job of that transaction.
    pub announced: bool,
    /// How to clone it, if it is `Clone`.
    pub clone: Option<CloneFn>,
    /// How to print it, if it is `Debug`.
    pub debug: Option<DebugFn>,
    /// Its wire form, if it is durable.
    pub durable: Option<&'static DurableForm>,
    /// The categories it extends.
    pub categories: &'static [CategoryMembership],
    /// The name of the response type, if listeners may answer.
    pub response: Option<&'static str>,
}

impl EventMeta {
    /// A description with nothing but a name and a place: of a type it speaks as a [`Meta`].
    #[must_use]
    pub const fn new(
        ident: &'static str,
        module: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self {
            index: AtomicU32::new(0),
            ident,
            module,
            name: None,
            doc: "",
            file,
            line,
            type_id: TypeId::of::<()>(),
            after_commit: false,
            announced: false,
            clone: None,
            debug: None,
            durable: None,
            categories: &[],
            response: None,
        }
    }

    /// The stored name, else the type's.
    #[must_use]
    pub fn display_name(&self) -> &'static str {
        self.name.unwrap_or(self.ident)
    }

    /// The stored name, else the type's path: for a person who has to find it.
    pub(crate) fn full_name(&self) -> Cow<'static, str> {
        match self.name {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("{}::{}", self.module, self.ident)),
        }
    }

    /// Writes an event of this type as JSON.
    pub(crate) fn encode(&self, event: &dyn AnyEvent) -> Result<String, EncodeError> {
        match self.durable {
            Some(form) => (form.encode)(event),
            None => Err(EncodeError::not_durable(self)),
        }
    }

    /// The dense number of this event, or 0 while it has none: slot 0 of every dispatcher stays empty.
    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn set_index(&self, index: u32) {
        self.index.store(index, Ordering::Relaxed);
    }
}

/// The description of `E`, and of no other type: a dispatch takes it at its word.
pub struct Meta<E> {
    pub(crate) any: EventMeta,
    of: PhantomData<fn() -> E>,
}

impl<E: Event> Meta<E> {
    /// Makes a description that of `E`.
    #[must_use]
    pub const fn new(mut any: EventMeta) -> Self {
        any.type_id = TypeId::of::<E>();
        Self {
            any,
            of: PhantomData,
        }
    }

    /// The description, without the type in its own type.
    #[must_use]
    pub const fn any(&'static self) -> &'static EventMeta {
        &self.any
    }
}

/// The description of `E`, for lists of descriptions of several types.
#[must_use]
pub fn meta_of<E: Event>() -> &'static EventMeta {
    &E::meta().any
}

/// Finds out at compile time what a concrete type implements: an inherent constant whose bounds hold is
/// preferred to the constant of the fallback trait.
pub struct Probe<E>(PhantomData<E>);

/// The fallback of [`Probe`] for a type that is not `Clone`.
pub trait Unclonable {
    /// No way to clone.
    const CLONE: Option<CloneFn> = None;
}

/// The fallback of [`Probe`] for a type that is not `Debug`.
pub trait Undebuggable {
    /// No way to print.
    const DEBUG: Option<DebugFn> = None;
}

impl<E> Unclonable for Probe<E> {}
impl<E> Undebuggable for Probe<E> {}

impl<E: Event + Clone> Probe<E> {
    /// Clones through `E: Clone`.
    pub const CLONE: Option<CloneFn> = Some(clone_as::<E>);
}

impl<E: Event + fmt::Debug> Probe<E> {
    /// Prints through `E: Debug`.
    pub const DEBUG: Option<DebugFn> = Some(debug_as::<E>);
}
