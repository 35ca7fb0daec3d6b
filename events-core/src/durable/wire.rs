//! Payloads: JSON by serde, the models in them by key.

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BoxError;
use crate::event::{AnyEvent, Event, EventMeta};

/// An event that could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event has no wire form.
    #[error("`{0}` has no wire form: write `#[event(durable, name = \"..\")]` on it")]
    NotDurable(&'static str),
    /// A field refused to be serialised.
    #[error("the payload cannot be written: {0}")]
    Serialize(#[from] serde_json::Error),
    /// A field's `Serialize`, or a model's `key`, panicked, with this message.
    #[error("the payload cannot be written: a panic while it was written: {0}")]
    Panicked(String),
    /// The value is of another type than its description: a fault of the kernel.
    #[error("the value is not an event of the type that was asked for")]
    WrongType,
}

impl EncodeError {
    pub(crate) fn not_durable(meta: &EventMeta) -> Self {
        Self::NotDurable(meta.ident)
    }
}

/// A payload that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is not what the event's fields ask for. Trying again cannot help.
    #[error("the payload cannot be read: {0}")]
    Deserialize(#[from] serde_json::Error),
    /// It names another model than the field's.
    #[error("the payload names the model `{found}` where the field holds a `{expected}`")]
    WrongModel {
        /// What the field holds.
        expected: &'static str,
        /// What the payload names.
        found: String,
    },
    /// A model that it names is gone.
    #[error("the model `{model}` with the key {key} is gone")]
    MissingModel {
        /// The model's name.
        model: &'static str,
        /// Its key, as JSON.
        key: String,
    },
    /// The program has no event of this name.
    #[error("this program has no event named `{0}`")]
    UnknownEvent(String),
    /// The payload is of a version that the program cannot read.
    #[error("the payload has version {version} of `{event}`, this program {known}")]
    UnknownVersion {
        /// The event's stored name.
        event: &'static str,
        /// The payload's version.
        version: u32,
        /// What the program has.
        known: String,
    },
    /// An upcaster failed or panicked. Trying again cannot help.
    #[error("the upcaster {upcaster}, from version {from} of `{event}`, failed: {error}")]
    Upcast {
        /// Its function, with file and line.
        upcaster: String,
        /// The event's stored name.
        event: &'static str,
        /// The version that it takes.
        from: u32,
        /// What it said.
        #[source]
        error: BoxError,
    },
    /// No loader for a model is registered.
    #[error("no loader for the model `{0}` is registered: mark one with `#[model]`")]
    NoLoader(&'static str),
    /// A loader failed. Trying again may help.
    #[error("the model `{model}` could not be loaded: {error}")]
    Load {
        /// The model's name.
        model: &'static str,
        /// What the loader said.
        #[source]
        error: BoxError,
    },
}

impl DecodeError {
    pub(crate) fn unknown_version(meta: &'static EventMeta, version: u32) -> Self {
        Self::UnknownVersion {
            event: meta.display_name(),
            version,
            known: match meta.durable {
                Some(form) => format!("has version {}", form.version),
                None => "has no wire form of it".to_owned(),
            },
        }
    }
}

/// The event as its own type.
///
/// # Errors
///
/// If it is of another type.
pub fn concrete<E: Event>(event: &dyn AnyEvent) -> Result<&E, EncodeError> {
    (event as &dyn Any)
        .downcast_ref()
        .ok_or(EncodeError::WrongType)
}

/// Writes a wire form as JSON.
///
/// # Errors
///
/// If a field refuses.
pub fn to_json<W: Serialize>(wire: &W) -> Result<String, EncodeError> {
    Ok(serde_json::to_string(wire)?)
}

/// Reads a wire form from JSON.
///
/// # Errors
///
/// If the payload is not of this form.
pub fn from_json<W: DeserializeOwned>(payload: &str) -> Result<W, DecodeError> {
    Ok(serde_json::from_str(payload)?)
}
