//! The service that an application holds.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use events_core::{BoxError, Context, Events, FromContext, Needs, State, model};

use super::{Integration, IntegrationError, NewIntegration, Within, rows};
use crate::store::{Store, StoreError, Tx};

/// The integrations of an application, on its store: a cheap handle, which clones share.
///
/// A method that writes does so in a transaction of its own, and fires its events there; inside a transaction that is
/// open already, use [`within`](Self::within). Methods that read see what the task's open transaction wrote.
///
/// A listener that asks for `Integrations` gets one that is bound to the dispatcher that runs it.
#[derive(Clone)]
pub struct Integrations {
    inner: Arc<Inner>,
    events: Option<Events>,
}

/// What all handles share. It knows no dispatcher: dispatchers hold it as their state.
struct Inner {
    store: Store,
    parts: Mutex<Parts>,
}

type Parts = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// Builds [`Integrations`].
#[must_use = "a builder does nothing until `build`"]
pub struct IntegrationsBuilder {
    store: Store,
    parts: Parts,
}

impl IntegrationsBuilder {
    /// Gives a room above its settings, in place of its defaults: see [`Integrations::part`].
    pub(crate) fn part<T: Any + Send + Sync>(mut self, part: T) -> Self {
        self.parts.insert(TypeId::of::<T>(), Arc::new(part));
        self
    }

    /// Checks everything and builds the service.
    ///
    /// # Errors
    ///
    /// None so far.
    pub fn build(self) -> Result<Integrations, IntegrationError> {
        Ok(Integrations {
            inner: Arc::new(Inner {
                store: self.store,
                parts: Mutex::new(self.parts),
            }),
            events: None,
        })
    }
}

impl Integrations {
    /// A builder of the service on this store.
    pub fn builder(store: &Store) -> IntegrationsBuilder {
        IntegrationsBuilder {
            store: store.clone(),
            parts: Parts::new(),
        }
    }

    /// The same service, whose events go through this dispatcher rather than the current one.
    #[must_use]
    pub fn with_events(&self, events: &Events) -> Self {
        Self {
            inner: self.inner.clone(),
            events: Some(events.clone()),
        }
    }

    /// The writing methods, in a transaction that is open already.
    #[must_use]
    pub fn within<'t>(&'t self, tx: &'t Tx) -> Within<'t> {
        Within {
            integrations: self,
            tx,
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The dispatcher of its events.
    pub(crate) fn events(&self) -> Events {
        self.events.clone().unwrap_or_else(Events::current)
    }

    /// Runs a block in a transaction of its own.
    pub(crate) async fn transaction<T, E: From<StoreError>>(
        &self,
        block: impl AsyncFnOnce(&Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let store = self.inner.store.with_events(&self.events());
        store.transaction(block).await
    }

    /// What a room above keeps here for all handles: its settings, where the builder was given some, or its state.
    pub(crate) fn part<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        let mut parts = self
            .inner
            .parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let part = parts
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(T::default()));
        part.clone().downcast().unwrap_or_default()
    }

    /// Stores a new integration. Fires [`IntegrationCreated`](crate::IntegrationCreated).
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn create(&self, new: NewIntegration) -> Result<Integration, IntegrationError> {
        self.transaction(async |tx| self.within(tx).create(new).await)
            .await
    }

    /// The integration with this id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find(&self, id: i64) -> Result<Option<Integration>, IntegrationError> {
        let sql = format!(
            "SELECT {} FROM events_integrations WHERE id = $1",
            rows::COLUMNS
        );
        let row = self.store().read_row(sql, [id.into()]).await?;
        row.as_ref().map(rows::read).transpose()
    }
}

impl fmt::Debug for Integrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integrations")
            .field("store", self.store())
            .finish_non_exhaustive()
    }
}

impl<'a> FromContext<'a> for Integrations {
    fn needs(needs: &mut Needs) {
        needs.state::<Self>();
    }

    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        let service: &State<Self> = cx.state().ok_or("the dispatcher has no `Integrations`")?;
        Ok(service.with_events(&cx.events()))
    }
}

#[model]
async fn load_integration(
    id: i64,
    integrations: &State<Integrations>,
) -> Result<Option<Integration>, IntegrationError> {
    integrations.find(id).await
}
