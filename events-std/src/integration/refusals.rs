//! How often requests from outside were refused: for a monitor.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use super::Integrations;

/// How often each reason of the kind `T` was given in this process.
struct Refusals<T>(Mutex<BTreeMap<&'static str, u64>>, PhantomData<fn() -> T>);

impl<T> Default for Refusals<T> {
    fn default() -> Self {
        Self(Mutex::default(), PhantomData)
    }
}

impl Integrations {
    /// Counts a refusal of the kind `T`.
    pub(crate) fn count_refusal<T: 'static>(&self, reason: &'static str) {
        let refusals = self.part::<Refusals<T>>();
        let mut counts = refusals.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(reason).or_default() += 1;
    }

    /// The refusals of the kind `T`, by reason.
    pub(crate) fn refusals<T: 'static>(&self) -> BTreeMap<&'static str, u64> {
        let refusals = self.part::<Refusals<T>>();
        let counts = refusals.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }
}
