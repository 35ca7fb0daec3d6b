//! What generated code calls: ordinary functions and types, documented and tested, but no promise to users.

pub use ::inventory;
pub use ::serde;

pub use crate::durable::{
    DecodeError, EncodeError, LoadedBy, Loader, Model, ModelCodec, ModelHandle, ModelLoader,
    ModelRecord, ModelRef, Plain, Returned, UpcasterHandle, UpcasterRecord, concrete, from_json,
    model_codec, old_payload, to_json,
};
pub use crate::erased::{ErasedEvent, Note, Outcome, as_category};
pub use crate::event::{
    Allowed, AnyEvent, Category, CategoryMembership, CategoryMeta, CloneFn, Combine, DebugFn,
    Decoding, DurableForm, Event, EventMeta, Extends, MayQueue, Meta, Probe, Queueing, Unclonable,
    Undebuggable, meta_of,
};
pub use crate::future::BoxFuture;
pub use crate::listener::{
    Arg, AsyncListener, Condition, Durable, FailedHook, Heard, Hears, HookAsk, HookRun, Instance,
    IntoOutcome, ListenerRecord, OnMissing, QueueOptions, Source, Subscriber, SyncListener, Unique,
    ask_hook, assert_category_may_queue, assert_clone, assert_durable, assert_event,
    assert_may_queue,
};
pub use crate::registry::{Handle, Registration};

pub use crate::BoxError;

/// A listener's answer, as its outcome.
pub fn answer<T: Send + 'static>(answer: T) -> Outcome {
    Outcome::note(Note::Answer(Box::new(answer)))
}
