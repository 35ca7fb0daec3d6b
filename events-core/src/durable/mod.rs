//! Events that can be written down and read again: their wire form, and the models that travel by key.

mod model;
mod wire;

pub use model::{
    Loaded, Loader, Model, ModelHandle, ModelLoader, ModelRecord, ModelRef, model_type,
};
pub use wire::{DecodeError, EncodeError, concrete, from_json, to_json};
