//! Events that can be written down and read again: their wire form, and the models that travel by key.

mod model;
mod wire;

pub use model::{
    LoadedBy, Loader, Model, ModelCodec, ModelHandle, ModelLoader, ModelRecord, ModelRef,
    model_codec,
};
pub use wire::{DecodeError, EncodeError, concrete, from_json, to_json};
