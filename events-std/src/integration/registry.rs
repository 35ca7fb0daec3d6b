//! The providers of one engine: those that are linked, and those that the builder was given.

use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::fault::StartFault;
use super::provider::{LinkedProvider, ProviderEntry};

/// A provider's integrations are not synced more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The providers of one engine, by key.
#[derive(Debug, Default)]
pub(super) struct Registry(BTreeMap<&'static str, ProviderEntry>);

impl Registry {
    /// Those given by hand, and the linked ones of other types. Faults are added to the list.
    pub(super) fn gather(
        by_hand: Vec<ProviderEntry>,
        linked: impl Iterator<Item = LinkedProvider>,
        faults: &mut Vec<StartFault>,
    ) -> Self {
        let given: HashSet<TypeId> = by_hand.iter().map(|entry| entry.of).collect();
        // Not in the linker's order: what is reported does not depend on it.
        let mut linked: Vec<_> = linked.filter(|one| !given.contains(&(one.of)())).collect();
        linked.sort_by_key(|one| (one.key, one.place));
        let mut registry = Self::default();
        for entry in by_hand {
            registry.insert(entry, faults);
        }
        for one in linked {
            match one.make {
                Some(make) => registry.insert(make(one.place), faults),
                None => faults.push(StartFault::NoInstance {
                    key: one.key,
                    place: one.place.to_string(),
                }),
            }
        }
        registry
    }

    fn insert(&mut self, entry: ProviderEntry, faults: &mut Vec<StartFault>) {
        if let Some(first) = self.0.get(entry.key) {
            faults.push(StartFault::TwoProviders {
                key: entry.key,
                first: describe(first),
                second: describe(&entry),
            });
            return;
        }
        self.0.insert(entry.key, entry);
    }

    pub(super) fn check_intervals(&self, faults: &mut Vec<StartFault>) {
        for one in self.iter() {
            let interval = one.schedule().and_then(|schedule| schedule.interval);
            if let Some(interval) = interval.filter(|interval| *interval < SHORTEST_INTERVAL) {
                let key = one.key;
                faults.push(StartFault::Interval { key, interval });
            }
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&ProviderEntry> {
        self.0.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ProviderEntry> {
        self.0.values()
    }

    pub(super) fn capability<C: ?Sized + Send + Sync + 'static>(
        &self,
        key: &str,
    ) -> Option<Arc<C>> {
        let capabilities = &self.get(key)?.capabilities;
        capabilities.iter().find_map(|one| one.get::<C>().cloned())
    }
}

fn describe(entry: &ProviderEntry) -> String {
    match entry.place {
        Some(place) => format!("`{}` ({place})", entry.type_name),
        None => format!("`{}` (given by hand)", entry.type_name),
    }
}
