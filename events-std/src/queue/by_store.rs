//! What the workers of one store have in common in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// A value for each store, by the address of what all clones of the store have in common: whoever uses it holds that, so
/// that the address is no other's.
pub(super) struct ByStore<T>(Mutex<BTreeMap<usize, T>>);

impl<T: Default + PartialEq> ByStore<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Looks at the store's value; what is as it was at first is not kept.
    pub(super) fn with<R>(&self, store: &Arc<Notify>, look: impl FnOnce(&mut T) -> R) -> R {
        let store = Arc::as_ptr(store).addr();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = all.entry(store).or_default();
        let seen = look(value);
        if *value == T::default() {
            all.remove(&store);
        }
        seen
    }
}
