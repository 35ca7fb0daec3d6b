//! Providers: what an adapter's author writes, and what the engine knows of it.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::RateLimit;

/// A third party that applications integrate with, as `zendesk`.
///
/// ```
/// use events_std::{NoMetadata, Provider, provider};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// pub struct ZendeskCredentials {
///     pub email: String,
///     pub token: String,
/// }
///
/// #[derive(Default)]
/// pub struct Zendesk;
///
/// #[provider]
/// impl Provider for Zendesk {
///     const KEY: &'static str = "zendesk";
///     const NAME: &'static str = "Zendesk";
///     type Credentials = ZendeskCredentials;
///     type Metadata = NoMetadata;
/// }
/// ```
///
/// [`#[provider]`](macro@crate::provider) registers it at link time, together with the capabilities that it names, each
/// of which is a trait that the type implements.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a provider",
    label = "not a provider",
    note = "write `#[provider] impl Provider for {Self} {{ .. }}`"
)]
pub trait Provider: Send + Sync + 'static {
    /// The stable name under which integrations of it are stored.
    const KEY: &'static str;
    /// What people call it.
    const NAME: &'static str;
    /// What an integration knows it by, as a struct with named fields: [`NoCredentials`] where there is nothing.
    type Credentials: Serialize + DeserializeOwned;
    /// What the application keeps with an integration: [`NoMetadata`] where there is nothing.
    type Metadata: Serialize + DeserializeOwned;

    /// How many API requests each integration may make in one process; none: as many as it likes. Several processes
    /// share no count: give each its part. Asked once, when the engine is built.
    fn rate_limit(&self) -> Option<RateLimit> {
        None
    }
}

/// The credentials of a provider that asks for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoCredentials {}

/// The metadata of a provider that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoMetadata {}

/// One capability of one provider: a trait that the provider implements, behind a pointer. The room of the trait makes
/// it.
pub struct Capability {
    of: TypeId,
    /// The `Arc` of the trait object.
    pointer: Box<dyn Any + Send + Sync>,
    schedule: Option<Schedule>,
}

/// That a provider can be synced on a schedule, and how often by default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) interval: Option<Duration>,
}

impl Capability {
    /// The capability that is known by the trait object `C`.
    #[must_use]
    pub fn new<C: ?Sized + Send + Sync + 'static>(pointer: Arc<C>) -> Self {
        Self {
            of: TypeId::of::<C>(),
            pointer: Box::new(pointer),
            schedule: None,
        }
    }

    /// The same, which lets a provider be synced on a schedule: so often by default.
    #[must_use]
    pub fn scheduled(mut self, interval: Option<Duration>) -> Self {
        self.schedule = Some(Schedule { interval });
        self
    }

    /// The trait object, if this is the capability `C`.
    pub(crate) fn get<C: ?Sized + Send + Sync + 'static>(&self) -> Option<&Arc<C>> {
        if self.of != TypeId::of::<C>() {
            return None;
        }
        self.pointer.downcast_ref()
    }

    pub(crate) fn schedule(&self) -> Option<Schedule> {
        self.schedule
    }
}

impl std::fmt::Debug for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Capability(..)")
    }
}

/// A provider with its capabilities. Written by `#[provider(..)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a registered provider",
    label = "its capabilities are not known",
    note = "mark its `impl Provider` with `#[provider(..)]`"
)]
pub trait RegisteredProvider: Provider {
    /// Its capabilities, each once.
    fn capabilities(provider: &Arc<Self>) -> Vec<Capability>;
}

/// A provider that was linked. Written by `#[provider(..)]`.
#[derive(Clone, Copy)]
pub struct LinkedProvider {
    pub(crate) key: &'static str,
    pub(crate) of: fn() -> TypeId,
    pub(crate) place: Place,
    pub(crate) make: Option<fn(Place) -> ProviderEntry>,
}

inventory::collect!(LinkedProvider);

/// Where a provider is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The path of the module.
    module: &'static str,
    /// The file.
    file: &'static str,
    /// The line, from 1.
    line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "in `{}`, {}:{}", self.module, self.file, self.line)
    }
}

impl LinkedProvider {
    /// One whose value is made by `Default`.
    #[must_use]
    pub const fn by_default<P: RegisteredProvider + Default>(
        module: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self {
            key: P::KEY,
            of: TypeId::of::<P>,
            place: Place { module, file, line },
            make: Some(|place| ProviderEntry::new(P::default(), Some(place))),
        }
    }

    /// One whose value the application gives to the builder.
    #[must_use]
    pub const fn by_hand<P: RegisteredProvider>(
        module: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self {
            key: P::KEY,
            of: TypeId::of::<P>,
            place: Place { module, file, line },
            make: None,
        }
    }
}

/// A provider's value, as the engine holds it.
#[derive(Debug)]
pub(crate) struct ProviderEntry {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) of: TypeId,
    pub(crate) type_name: &'static str,
    pub(crate) place: Option<Place>,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) rate_limit: Option<RateLimit>,
    /// Whether credentials and metadata can be read as the provider's own types.
    pub(crate) reads: Reads,
}

/// How a provider's own types are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reads {
    pub(crate) credentials: fn(&serde_json::Value) -> Result<(), serde_json::Error>,
    pub(crate) metadata: fn(&serde_json::Value) -> Result<(), serde_json::Error>,
}

impl ProviderEntry {
    pub(crate) fn new<P: RegisteredProvider>(provider: P, place: Option<Place>) -> Self {
        Self {
            key: P::KEY,
            name: P::NAME,
            of: TypeId::of::<P>(),
            type_name: std::any::type_name::<P>(),
            place,
            rate_limit: provider.rate_limit(),
            capabilities: P::capabilities(&Arc::new(provider)),
            reads: Reads {
                credentials: |value| P::Credentials::deserialize(value).map(drop),
                metadata: |value| P::Metadata::deserialize(value).map(drop),
            },
        }
    }

    pub(crate) fn schedule(&self) -> Option<Schedule> {
        self.capabilities.iter().find_map(Capability::schedule)
    }
}
