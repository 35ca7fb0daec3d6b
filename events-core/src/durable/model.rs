//! Models: records that an event carries, that travel by key, and are loaded again on the other side.

use std::any::{Any, TypeId, type_name};
use std::future::Future;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DecodeError, EncodeError};
use crate::BoxError;
use crate::context::Context;
use crate::events::Events;
use crate::future::BoxFuture;
use crate::listener::{Arguments, Needs, Source};

/// A record that a durable event can carry in a field marked `#[event(model)]`: it travels by key, and a function
/// marked `#[model]` loads it again before a queued listener runs.
///
/// ```standalone_crate
/// use events_core::{model, AnyEvent, Event, Model, State};
/// use std::collections::HashMap;
///
/// #[derive(Clone, Debug)]
/// struct Customer { id: u64, name: String }
///
/// impl Model for Customer {
///     const NAME: &'static str = "customer";
///     type Key = u64;
///     fn key(&self) -> u64 { self.id }
/// }
///
/// #[model]
/// async fn load(id: u64, customers: &State<HashMap<u64, Customer>>) -> Result<Option<Customer>, std::io::Error> {
///     Ok(customers.get(&id).cloned())
/// }
///
/// #[derive(Clone, Debug, Event)]
/// #[event(durable, name = "customer.renamed")]
/// struct CustomerRenamed {
///     #[event(model)]
///     customer: Customer,
///     before: String,
/// }
///
/// let event = CustomerRenamed { customer: Customer { id: 7, name: "Ada".into() }, before: "A.".into() };
/// assert_eq!(event.payload().unwrap(), r#"{"customer":{"model":"customer","key":7},"before":"A."}"#);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    label = "not a model",
    note = "implement `events_core::Model` for it and mark its loader with `#[model]`, or let the field travel by value: remove `#[event(model)]`"
)]
pub trait Model: Send + Sync + Sized + 'static {
    /// The stable name under which payloads speak of it.
    const NAME: &'static str;
    /// What identifies a record.
    type Key: Serialize + DeserializeOwned + Send;

    /// The key of this record.
    fn key(&self) -> Self::Key;
}

/// A model as a payload holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    model: String,
    key: Value,
}

impl ModelRef {
    fn of<M: Model>(model: &M) -> Result<Self, EncodeError> {
        Ok(Self {
            model: M::NAME.to_owned(),
            key: serde_json::to_value(model.key())?,
        })
    }
}

/// Loads the models of a payload, by the loaders of one dispatcher.
#[derive(Clone, Copy)]
pub struct Loader<'a>(pub(crate) &'a Events);

impl Loader<'_> {
    async fn load<M: Model>(self, reference: ModelRef) -> Result<M, DecodeError> {
        if reference.model != M::NAME {
            return Err(DecodeError::WrongModel {
                expected: M::NAME,
                found: reference.model,
            });
        }
        let record = self
            .0
            .inner()
            .parts()
            .wiring
            .model(TypeId::of::<M>())
            .ok_or(DecodeError::NoLoader(M::NAME))?;
        let key = reference.key.to_string();
        (record.load)(self.0, reference.key)
            .await?
            .and_then(|model| model.downcast().ok())
            .map(|model| *model)
            .ok_or(DecodeError::MissingModel {
                model: M::NAME,
                key,
            })
    }
}

/// A function that loads a model. Written by `#[model]`.
pub trait ModelLoader: 'static {
    /// The key that it takes.
    type Key: DeserializeOwned + Send;
    /// What it returns.
    type Return: LoadedBy<Self::Key>;
    /// What it asks for after the key, as a tuple.
    type Args<'a>: Arguments<'a>;

    /// Calls the user's function.
    fn load(key: Self::Key, args: Self::Args<'_>) -> impl Future<Output = Self::Return> + Send;
}

/// What a loader that takes a key `K` may return.
#[diagnostic::on_unimplemented(
    message = "a model's loader cannot return `{Self}`",
    label = "not a loader's return type",
    note = "return `Result<Option<TheModel>, E>`: `None` where the record is gone"
)]
pub trait LoadedBy<K>: Send {
    /// The model.
    type Model: Model;

    /// The model, nothing, or the loader's error.
    ///
    /// # Errors
    ///
    /// The loader's own.
    fn into_loaded(self) -> Result<Option<Self::Model>, BoxError>;
}

impl<M: Model, E: Into<BoxError> + Send> LoadedBy<M::Key> for Result<Option<M>, E> {
    type Model = M;

    fn into_loaded(self) -> Result<Option<M>, BoxError> {
        self.map_err(Into::into)
    }
}

type ModelOf<L> = <<L as ModelLoader>::Return as LoadedBy<<L as ModelLoader>::Key>>::Model;

type Load = for<'a> fn(
    &'a Events,
    Value,
) -> BoxFuture<'a, Result<Option<Box<dyn Any + Send>>, DecodeError>>;

/// The static description of a model's loader.
pub struct ModelRecord {
    type_id: TypeId,
    name: &'static str,
    type_name: fn() -> &'static str,
    source: Source,
    pub(crate) needs: Option<fn(&mut Needs)>,
    load: Load,
}

impl ModelRecord {
    /// The record of a loader.
    #[must_use]
    pub const fn new<L: ModelLoader>(source: Source) -> Self {
        Self {
            type_id: TypeId::of::<ModelOf<L>>(),
            name: ModelOf::<L>::NAME,
            type_name: type_name::<ModelOf<L>>,
            source,
            needs: <L::Args<'static> as Arguments<'static>>::NEEDS,
            load: |events, key| Box::pin(load::<L>(events, key)),
        }
    }

    pub(crate) fn type_id(&self) -> TypeId {
        self.type_id
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }
}

impl std::fmt::Debug for ModelRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the loader of `{}`", (self.type_name)())
    }
}

async fn load<L: ModelLoader>(
    events: &Events,
    key: Value,
) -> Result<Option<Box<dyn Any + Send>>, DecodeError> {
    let model = ModelOf::<L>::NAME;
    let failed = |error: BoxError| DecodeError::Load { model, error };
    let key = serde_json::from_value(key)?;
    let loading = {
        let args = L::Args::make(&Context::bare(events)).map_err(failed)?;
        L::load(key, args)
    };
    let loaded = loading.await.into_loaded().map_err(failed)?;
    Ok(loaded.map(|model| Box::new(model) as Box<dyn Any + Send>))
}

/// A loader that is registered by hand: written by `#[model(handle = NAME)]`.
#[derive(Clone, Copy, Debug)]
pub struct ModelHandle(&'static ModelRecord);

impl ModelHandle {
    /// The handle of this loader.
    #[must_use]
    pub const fn new(record: &'static ModelRecord) -> Self {
        Self(record)
    }

    pub(crate) fn record(self) -> &'static ModelRecord {
        self.0
    }
}

/// How a field's model is written and read. Only [`model_codec`] asks whether `M` is a model, so that one that is none
/// is reported once.
pub struct ModelCodec<M> {
    /// The type and the name, for the event's description.
    pub model: fn() -> (TypeId, &'static str),
    write: fn(&M) -> Result<ModelRef, EncodeError>,
    read: for<'a> fn(Loader<'a>, ModelRef) -> BoxFuture<'a, Result<M, DecodeError>>,
}

/// How the model `M` is written and read.
#[must_use]
pub const fn model_codec<M: Model>() -> ModelCodec<M> {
    ModelCodec {
        model: || (TypeId::of::<M>(), M::NAME),
        write: ModelRef::of,
        read: |loader, reference| Box::pin(loader.load(reference)),
    }
}

impl<M> ModelCodec<M> {
    /// A record, by its key.
    ///
    /// # Errors
    ///
    /// If the key refuses to be serialised.
    pub fn write(&self, model: &M) -> Result<ModelRef, EncodeError> {
        (self.write)(model)
    }

    /// A record, where there is one.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_option(&self, model: &Option<M>) -> Result<Option<ModelRef>, EncodeError> {
        model.as_ref().map(self.write).transpose()
    }

    /// Records, in their order.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_vec(&self, models: &[M]) -> Result<Vec<ModelRef>, EncodeError> {
        models.iter().map(self.write).collect()
    }

    /// The record that a payload names.
    ///
    /// # Errors
    ///
    /// If it is gone, has no loader, or the loader failed.
    pub async fn read(&self, loader: Loader<'_>, reference: ModelRef) -> Result<M, DecodeError> {
        (self.read)(loader, reference).await
    }

    /// The record that a payload names, where it names one.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_option(
        &self,
        loader: Loader<'_>,
        reference: Option<ModelRef>,
    ) -> Result<Option<M>, DecodeError> {
        match reference {
            Some(reference) => self.read(loader, reference).await.map(Some),
            None => Ok(None),
        }
    }

    /// The records that a payload names, in its order.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), for the first that fails.
    pub async fn read_vec(
        &self,
        loader: Loader<'_>,
        references: Vec<ModelRef>,
    ) -> Result<Vec<M>, DecodeError> {
        let mut models = Vec::with_capacity(references.len());
        for reference in references {
            models.push(self.read(loader, reference).await?);
        }
        Ok(models)
    }
}
