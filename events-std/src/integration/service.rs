//! The service that an application holds.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use events_core::{BoxError, Context, Events, FromContext, Needs, State, model};
use sea_orm::QueryResult;

use super::builder::Parts;
use super::registry::Registry;
use super::{
    HealthThresholds, InspectedIntegration, Integration, IntegrationError, RateLimit, Within,
    remember, rows,
};
use crate::store::{Keyring, Store, StoreError, Tx};

/// The integrations of an application, on its store: a cheap handle, which clones share.
///
/// A method that writes does so in a transaction of its own, and fires its events there; inside a transaction that is
/// open already, use [`within`](Self::within). Methods that read see what the task's open transaction wrote.
///
/// A listener that asks for `Integrations` gets one that is bound to the dispatcher that runs it:
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use events_core::{Events, listener};
/// use events_std::{
///     EncryptionKey, IntegrationDisabled, IntegrationError, Integrations, NewIntegration, NoMetadata, Provider, Store,
///     provider,
/// };
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct ZendeskCredentials { token: String }
///
/// #[derive(Default)]
/// struct Zendesk;
///
/// #[provider]
/// impl Provider for Zendesk {
///     const KEY: &'static str = "zendesk";
///     const NAME: &'static str = "Zendesk";
///     type Credentials = ZendeskCredentials;
///     type Metadata = NoMetadata;
/// }
///
/// #[listener(IntegrationDisabled, queue = "alerts")]
/// async fn rename(event: &IntegrationDisabled, integrations: Integrations) -> Result<(), IntegrationError> {
///     let update = events_std::IntegrationUpdate::new().name(format!("{} (off)", event.integration.name));
///     integrations.update(event.integration.id, update).await?;
///     Ok(())
/// }
///
/// let store = Store::connect("sqlite:app.db").await?;
/// let engine = Integrations::builder(&store)
///     .encryption_key(EncryptionKey::from_base64(&std::env::var("ENCRYPTION_KEY")?)?)
///     .build()?;
/// let events = Events::builder().state(engine.clone()).queue(store.queue()).build()?;
/// let integrations = engine.with_events(&events);
/// let new = NewIntegration::of::<Zendesk>("Support").credentials(ZendeskCredentials { token: "hush".into() })?;
/// let integration = integrations.create(new).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Integrations {
    inner: Arc<Inner>,
    events: Option<Events>,
}

/// What all handles share. It knows no dispatcher: dispatchers hold it as their state.
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) keys: Keyring,
    pub(super) registry: Registry,
    pub(super) thresholds: HealthThresholds,
    pub(super) parts: Mutex<Parts>,
}

impl Integrations {
    pub(super) fn of(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            events: None,
        }
    }

    /// The service that the current dispatcher holds as its state, bound to that dispatcher. So a provider finds it: its
    /// methods are called in the scope of the dispatcher that the engine is bound to.
    ///
    /// # Errors
    ///
    /// If the current dispatcher holds none.
    pub fn current() -> Result<Self, IntegrationError> {
        let events = Events::current();
        let service: Option<&State<Self>> = events.state();
        let service = service.ok_or(IntegrationError::NoneCurrent)?;
        Ok(service.with_events(&events))
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

    /// The thresholds of health.
    #[must_use]
    pub fn thresholds(&self) -> &HealthThresholds {
        &self.inner.thresholds
    }

    /// The providers with which integrations can be made: the key of each, and what people call it.
    pub fn providers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.registry()
            .iter()
            .map(|provider| (provider.key, provider.name))
    }

    pub(super) fn keys(&self) -> &Keyring {
        &self.inner.keys
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// The capability that is known by the trait object `C`, of the provider with this key.
    pub(crate) fn capability<C: ?Sized + Send + Sync + 'static>(
        &self,
        provider: &str,
    ) -> Option<Arc<C>> {
        self.registry().capability(provider)
    }

    /// How many API requests the integration may make, by its provider.
    #[must_use]
    pub fn rate_limit(&self, integration: &Integration) -> Option<RateLimit> {
        self.registry().get(&integration.provider)?.rate_limit
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
        let parts = self.inner.parts.lock();
        let mut parts = parts.unwrap_or_else(PoisonError::into_inner);
        let part = parts
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(T::default()));
        part.clone().downcast().unwrap_or_default()
    }

    /// The integration in a row of the table's columns.
    pub(super) fn read(&self, row: &QueryResult) -> Result<Integration, IntegrationError> {
        self.read_inspected(row)?.whole()
    }

    /// The same, as far as it can be read.
    pub(super) fn read_inspected(
        &self,
        row: &QueryResult,
    ) -> Result<InspectedIntegration, IntegrationError> {
        Ok(rows::read(row, self.keys())?)
    }
}

impl fmt::Debug for Integrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let providers = self.registry().iter().map(|provider| provider.key);
        f.debug_struct("Integrations")
            .field("store", self.store())
            .field("providers", &providers.collect::<Vec<_>>())
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
    remember::load(integrations, id).await
}
