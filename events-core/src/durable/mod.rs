//! Events that can be written down and read again: their wire form, the models that travel by key, and the upcasters
//! that turn payloads of older versions.

mod model;
mod read;
mod readable;
mod upcast;
mod wire;

pub use model::{
    LoadedBy, Loader, Model, ModelCodec, ModelHandle, ModelLoader, ModelRecord, ModelRef,
    model_codec,
};
pub(crate) use upcast::Upcasters;
pub use upcast::{Plain, Returned, UpcasterHandle, UpcasterRecord, old_payload};
pub use wire::{DecodeError, EncodeError, concrete, from_json, to_json};
