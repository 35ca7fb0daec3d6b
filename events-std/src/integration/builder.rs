//! How the service is built, and what is checked before it starts.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::fault::StartFault;
use super::provider::{LinkedProvider, ProviderEntry, RegisteredProvider};
use super::registry::Registry;
use super::service::{Inner, Integrations};
use super::{HealthThresholds, StartError};
use crate::store::{EncryptionKey, Keyring, Store};

pub(super) type Parts = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// More intervals than this are no waiting any more.
const LARGEST_FACTOR: u32 = 10_000;

/// Builds [`Integrations`]: from every provider that is linked.
#[must_use = "a builder does nothing until `build`"]
pub struct IntegrationsBuilder {
    store: Store,
    linked: bool,
    expected: Vec<String>,
    providers: Vec<ProviderEntry>,
    keys: Keyring,
    thresholds: HealthThresholds,
    parts: Parts,
}

impl Integrations {
    /// A builder of the service on this store.
    pub fn builder(store: &Store) -> IntegrationsBuilder {
        IntegrationsBuilder {
            store: store.clone(),
            linked: true,
            expected: Vec::new(),
            providers: Vec::new(),
            keys: Keyring::default(),
            thresholds: HealthThresholds::default(),
            parts: Parts::new(),
        }
    }
}

impl IntegrationsBuilder {
    /// Gives the value of a provider: of one that is not made by `Default`, or in place of the one that is.
    pub fn provider<P: RegisteredProvider>(mut self, provider: P) -> Self {
        self.providers.push(ProviderEntry::new(provider, None));
        self
    }

    /// Starts from no provider instead of from those that are linked: for tests, and where link-time constructors do
    /// not run.
    pub fn without_linked(mut self) -> Self {
        self.linked = false;
        self
    }

    /// Expects providers with these keys. A crate of an adapter that nothing names is not linked, and nothing of it is
    /// there then, without a word: with this it is a start fault. `use that_crate as _;` links it.
    pub fn expect_providers(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.expected.extend(keys.into_iter().map(Into::into));
        self
    }

    /// The key that encrypts credentials. Without one, integrations have none.
    pub fn encryption_key(mut self, key: EncryptionKey) -> Self {
        self.keys.current = Some(key);
        self
    }

    /// A key that encrypted credentials before:
    /// [`rotate_credentials`](Integrations::rotate_credentials) makes it superfluous.
    pub fn old_encryption_key(mut self, key: EncryptionKey) -> Self {
        self.keys.old.push(key);
        self
    }

    /// When failures change an integration's health.
    pub fn health(mut self, thresholds: HealthThresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Gives a room above its settings, in place of its defaults: see [`Integrations::part`].
    pub(crate) fn part<T: Any + Send + Sync>(mut self, part: T) -> Self {
        self.parts.insert(TypeId::of::<T>(), Arc::new(part));
        self
    }

    /// Checks everything and builds the service.
    ///
    /// # Errors
    ///
    /// Lists every fault: two providers of one key, a provider without a value, one that is expected and not there, one that is
    /// to be synced more often than every second, thresholds that do not rise.
    pub fn build(self) -> Result<Integrations, StartError> {
        let mut faults = Vec::new();
        let linked = self.linked.then_some(inventory::iter::<LinkedProvider>);
        let linked = linked.into_iter().flatten().copied();
        let registry = Registry::gather(self.providers, linked, &mut faults);
        registry.check_intervals(&mut faults);
        for key in self.expected {
            if registry.get(&key).is_none() {
                faults.push(StartFault::Missing(key));
            }
        }
        check_thresholds(&self.thresholds, &mut faults);
        check_keys(&self.keys, &mut faults);
        StartError::unless_empty(faults)?;
        Ok(Integrations::of(Inner {
            store: self.store,
            keys: self.keys,
            registry,
            thresholds: self.thresholds,
            parts: Mutex::new(self.parts),
        }))
    }
}

fn check_thresholds(thresholds: &HealthThresholds, faults: &mut Vec<StartFault>) {
    let (degraded, failing) = (thresholds.degraded_after, thresholds.failing_after);
    let disabled = thresholds.disabled_after;
    if degraded == 0 || failing <= degraded || disabled.is_some_and(|after| after <= failing) {
        let disabled = disabled.map_or("never".to_owned(), |after| after.to_string());
        faults.push(StartFault::Thresholds(format!(
            "{degraded}, {failing}, {disabled}"
        )));
    }
    for factor in [thresholds.degraded_factor, thresholds.failing_factor] {
        if !(1..=LARGEST_FACTOR).contains(&factor) {
            faults.push(StartFault::Factor(factor));
        }
    }
}

fn check_keys(keys: &Keyring, faults: &mut Vec<StartFault>) {
    let all: Vec<_> = keys.current.iter().chain(&keys.old).collect();
    let repeats = all.iter().enumerate();
    if repeats
        .into_iter()
        .any(|(index, key)| all[..index].iter().any(|other| other.is_same(key)))
    {
        faults.push(StartFault::TwoKeys);
    }
    if keys.current.is_none() && !keys.old.is_empty() {
        faults.push(StartFault::OldKeyAlone);
    }
}
